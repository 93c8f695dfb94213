"""What each format says about itself before its pixels, read from bytes alone: one format a file.

Every parser is pure, bounded in work and memory by the length of its input, and raises `DecodeError` only.
"""
