"""Encoded images to other ones, in processes that a hostile file may take down."""

from nemo_curator.runs.rendering.pool import Rendering, RenderPool, Unrendered, render_workers

__all__ = ["RenderPool", "Rendering", "Unrendered", "render_workers"]
