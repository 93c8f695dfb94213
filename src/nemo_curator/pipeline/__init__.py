"""Pipelines of stages.

Commands and workers import rooms of this one that need no `Pipeline`, which is fetched when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo_curator.pipeline.pipeline import Pipeline as Pipeline

__all__ = ["Pipeline"]


def __getattr__(name: str) -> Any:
    """Fetch `Pipeline` on first use.

    Raises:
        AttributeError: There is no such name.
    """
    if name == "Pipeline":
        return import_module("nemo_curator.pipeline.pipeline").Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
