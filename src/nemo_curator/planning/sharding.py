"""Which partitions one of several processes scores: a pure function of their order in the frozen list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

T = TypeVar("T")

_TEXT = re.compile(r"\s*(\d{1,7})\s*/\s*(\d{1,7})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the equal shares of a run's partitions.

    Attributes:
        number: Which one, counted from 1.
        of: How many there are.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`3/16` to the third of sixteen.

        Raises:
            ValueError: It is no such text.
        """
        found = _TEXT.fullmatch(text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            raise ValueError(f"{text!r} is no shard; write 3/16 for the third of sixteen, the first being 1/16")
        return cls(number, of)

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def takes(self, items: Sequence[T]) -> list[T]:
        """Its share of some partitions, in their order: every `of`-th one, so that shares are alike in size.

        Args:
            items: All partitions, in source order.
        """
        return list(items[self.number - 1 :: self.of])


def shards_with(missing: Sequence[int], of: int) -> list[int]:
    """Numbers of the shards that some partitions belong to.

    Args:
        missing: Positions of partitions in source order, counted from 0.
        of: How many shards there are.
    """
    return sorted({position % of + 1 for position in missing})
