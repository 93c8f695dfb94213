"""Bytes or arrays in, numbers out: arithmetic that knows no task and no stage."""
