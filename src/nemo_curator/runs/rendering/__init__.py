"""Encoded images to other ones, in processes that a hostile file may take down."""

from nemo_curator.runs.rendering.pool import RenderPool, Unrendered, render_workers

__all__ = ["RenderPool", "Unrendered", "render_workers"]
