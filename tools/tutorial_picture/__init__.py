"""Draws the picture of the tutorial."""
