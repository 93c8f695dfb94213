"""Keeps the reference pages of scores true: facts from the code, quantiles from real photos, example pictures."""
