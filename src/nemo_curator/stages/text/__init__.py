"""Stages on rows."""
