"""The default executor: worker processes on this machine, no server.

What a worker process imports of this room must not bring the executor with it, which is fetched when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nemo_curator.backends.local.executor import LocalExecutor as LocalExecutor

__all__ = ["LocalExecutor"]


def __getattr__(name: str) -> Any:
    """Fetch the executor on first use.

    Raises:
        AttributeError: There is no such name.
    """
    if name == "LocalExecutor":
        return import_module("nemo_curator.backends.local.executor").LocalExecutor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
