"""Renew the tables of the page of models."""
