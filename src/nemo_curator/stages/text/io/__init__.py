"""Stages that read and write rows."""
