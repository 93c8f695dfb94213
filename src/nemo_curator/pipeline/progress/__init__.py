"""What a run tells whoever watches it: one stream of events, what they add up to, and two ways to write that down."""

from nemo_curator.pipeline.progress.watcher import Several, Watcher

__all__ = ["Several", "Watcher"]
