"""Stages that score images and reject some."""
