"""Standard output is for the result of a command, whatever else prints while it works."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path


@contextmanager
def printed_aside(*, dropped: bool = False) -> Iterator[None]:
    """What Python code prints in this process goes to standard error: Ray, for one, prints what it hears of the dead.

    Args:
        dropped: Whether it goes nowhere, since machines read standard error too.
    """
    with ExitStack() as stack:
        if dropped:
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8", errors="replace"))
            stack.enter_context(redirect_stdout(nowhere))
        else:
            stack.enter_context(redirect_stdout(sys.stderr))
        stack.callback(_leave_ray)
        yield


def _leave_ray() -> None:
    """Ray prints what it held back when it is left; else it would do so at the very end, behind the result."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()
