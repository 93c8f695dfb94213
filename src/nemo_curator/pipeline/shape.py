"""Which names an export gives to its files: a pure value, written down before the first of them exists.

What is ours in an output is known by it, and by nothing looser: somebody's `2024/20240101.tar` looks like a shard too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from nemo_curator.runs.exporting import INDEX, MANIFEST
from nemo_curator.runs.exporting.settings import ENDS

_SHARD = re.compile(r"(?:(?P<split>[^/]+)/)?(?P<number>[0-9]{5,})(?P<end>\.tar|\.mds|\.parquet|/.*)", re.DOTALL)
_ENDS = {form: tuple(dict.fromkeys((end, ".parquet"))) for form, end in ENDS.items()}


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of an export's files.

    Attributes:
        format: Its format.
        shards: Split ("" without splits) to the number of its shards; None where that is not known yet.
    """

    format: str
    shards: Mapping[str, int | None]

    @classmethod
    def of(cls, form: str, names: Iterable[str]) -> Self:
        """The shape of an export with these shards, given as `00000` or `train/00000`, with or without an ending."""
        counts: dict[str, int | None] = {}
        for name in names:
            split, _, last = name.rstrip("/").rpartition("/")
            number = last.partition(".")[0]
            if number.isdigit():
                counts[split] = max(counts.get(split) or 0, int(number) + 1)
        return cls(form, counts)

    @classmethod
    def read(cls, facts: Any) -> Self | None:
        """A shape that was written down; None where it is none."""
        try:
            return cls(str(facts["format"]), {str(split): int(count) for split, count in facts["shards"].items()})
        except (LookupError, TypeError, ValueError, AttributeError):
            return None

    @property
    def facts(self) -> dict[str, Any]:
        """The shape as plain data."""
        return {"format": self.format, "shards": dict(self.shards)}

    def names(self, path: str) -> bool:
        """Whether a path in the output is that of a shard of this export, of its manifest or of an index."""
        match = _SHARD.fullmatch(path)
        if match is None:
            folder, _, name = path.rpartition("/")
            return path == MANIFEST or (name == INDEX and self.format == "mds" and folder in self.shards)
        split, number, end = match["split"] or "", match["number"], match["end"]
        if split not in self.shards or not end.startswith(_ENDS.get(self.format, ())):
            return False
        count = self.shards[split]
        return number == f"{int(number):05d}" and (count is None or int(number) < count)
