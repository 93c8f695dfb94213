"""Stages and recipe to a frozen, printable plan: pure functions, no clock, no input or output."""
