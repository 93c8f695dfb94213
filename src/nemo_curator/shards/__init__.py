"""Bytes at rest: tars and folders to samples, and samples back to tars."""
