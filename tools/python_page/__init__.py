"""The tables of the page of Python names, made from the code."""
