"""Rows of a table by their numbers: those that are asked for in order are read in one go."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

Row = TypeVar("Row")

_SKIPPED = 256  # rows that are passed over sooner than the table is begun again


class RowsInOrder(Generic[Row]):
    """A place in a table, from which reading goes on. Of one thread.

    Args:
        read_from: Gives the rows from a number on.
    """

    def __init__(self, read_from: Callable[[int], Iterator[Row]]) -> None:
        self._read_from = read_from
        self._next = -1
        self._rows: Iterator[Row] = iter(())

    def row(self, number: int) -> Row | None:
        """One row; None where there is none.

        Raises:
            Exception: What reading raises; the next row is read from a new beginning then.
        """
        gap = number - self._next if self._next >= 0 else -1
        self._next = -1  # until it is read
        if 0 < gap <= _SKIPPED:
            with suppress(Exception):  # of a row between, which nobody wants
                collections.deque(islice(self._rows, gap), 0)
                gap = 0
        if gap:
            self._rows = self._read_from(number)
        found = next(self._rows, None)
        self._next = number + 1
        return found
