"""Stages that drop duplicates."""
