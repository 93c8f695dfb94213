"""Memory that this process may use: what the machine has, and what a container gives it of that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from nemo_curator.cores import control_groups, text_of


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may use: the machine's, or fewer by its container's limit.

    Args:
        root: Where `proc` and `sys` are mounted.
    """
    return least_memory(int(psutil.virtual_memory().total), _limits(root))


def least_memory(there: int, limits: Iterable[str]) -> int:
    """Bytes under the tightest limit.

    Args:
        there: Bytes without any.
        limits: Bytes of each control group around a process, as the system writes them: `max`, or a number larger than
            any machine has, means no limit. Anything else is no limit either.
    """
    least = there
    for limit in limits:
        with suppress(ValueError):
            if int(limit) > 0:
                least = min(least, int(limit))
    return least


def _limits(root: Path) -> Iterator[str]:
    for number, folder in control_groups(root, "memory", ("memory",)):
        yield text_of(folder / ("memory.limit_in_bytes" if number == 1 else "memory.max"))
