"""Stages on images."""
