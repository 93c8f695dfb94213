"""Checkpoints of hand-made pipelines: what each partition gave is kept as data, and not computed again."""
