"""Stages that find duplicates."""
