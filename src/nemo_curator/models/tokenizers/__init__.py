"""Texts to the numbers that a text tower takes: `clip_tokenizer` is the door, the other files are its two steps."""
