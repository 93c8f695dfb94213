"""Stages that write rows."""
