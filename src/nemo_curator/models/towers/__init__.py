"""Transformer towers: what they compute, written once for every runtime, and how published files lay them out."""
