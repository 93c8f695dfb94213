"""The run directory: the only state of a run.

`Run` is the door for programs: score, look, decide, export. It stands on a higher floor, and is fetched when asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo_curator.pipeline.run import Run as Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    """Fetch `Run` on first use.

    Raises:
        AttributeError: There is no such name.
    """
    if name == "Run":
        return import_module("nemo_curator.pipeline.run").Run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
