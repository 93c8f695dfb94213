"""Standard output is for the result of a command, whatever else prints while it works."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout


@contextmanager
def printed_aside(*, dropped: bool = False) -> Iterator[None]:
    """What stages and libraries print goes to standard error: Ray, for one, prints what it hears of a dead machine.

    Args:
        dropped: Whether it goes nowhere, since machines read standard error too.
    """
    with redirect_stdout(_Nowhere() if dropped else sys.stderr):
        yield


class _Nowhere(io.TextIOBase):
    """Keeps nothing, however much is written."""

    def writable(self) -> bool:
        """Anything may be written."""
        return True

    def write(self, text: str, /) -> int:
        """As if it were."""
        return len(text)
