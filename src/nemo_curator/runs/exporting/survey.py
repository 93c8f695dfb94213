"""What the rows of a delivered data set come to: counts for its card, from a few columns, a row group at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.errors import VerificationError
from nemo_curator.shards.parquet import open_parquet

_COUNTED = ("format", "input", "licence")
_FLAGS = ("ai_opt_out", "ai_generated", "rendered")
_MOST_VALUES = 10_000  # different values that are counted one by one
_LONGEST = 200  # characters of a value that tell it from others
OTHERS = "…"
"""Stands for all values beyond those that are counted one by one."""


@dataclass(slots=True)
class Survey:
    """What the samples of a data set are.

    Attributes:
        schema: Columns that all its Parquet files have in common with the first.
        counts: Column to value to number of samples; None is counted under "".
        flags: Column to the number of samples for which it is true.
        captions: Samples with a caption.
        sides: `(N,)` shorter side of each image in pixels, as delivered.
    """

    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    flags: Counter[str] = field(default_factory=Counter)
    captions: int = 0
    sides: list[npt.NDArray[np.int64]] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Count some rows in."""
        names = set(table.column_names)
        made = "delivered_format" in names
        for name in names.intersection(_COUNTED):
            self._count(name, table["delivered_format" if made and name == "format" else name])
        for name in names.intersection(_FLAGS):
            found: Any = pc.sum(table[name])
            self.flags[name] += found.as_py() or 0
        if "caption" in names:
            self.captions += table.num_rows - table["caption"].null_count
        sizes = ("delivered_width", "delivered_height") if made else ("width", "height")
        if set(sizes) <= names:
            smaller: Any = pc.min_element_wise(*(table[name] for name in sizes))
            self.sides.append(smaller.drop_null().to_numpy())

    def _count(self, name: str, column: pa.ChunkedArray[Any]) -> None:
        counter = self.counts.setdefault(name, Counter())
        found: Any = column.value_counts()
        for one in found.to_pylist():
            value = str(one["values"] or "")[:_LONGEST]
            known = value in counter or len(counter) < _MOST_VALUES
            counter[value if known else OTHERS] += one["counts"]


def survey(output: str, manifest: Mapping[str, Any]) -> Survey:
    """Look at the Parquet files of a data set.

    Args:
        output: The data set.
        manifest: Its manifest.

    Raises:
        VerificationError: One of them cannot be read.
    """
    found = Survey()
    columns = [*_COUNTED, *_FLAGS, "caption", "width", "height"]
    columns += ["delivered_format", "delivered_width", "delivered_height"]
    for name in sorted(one["name"] for one in manifest["files"] if one["name"].endswith(".parquet")):
        location = storage.join(output, name)
        try:
            with open_parquet(location) as parquet:
                if not found.schema.names:
                    found.schema = parquet.schema_arrow
                there = [one for one in columns if one in parquet.schema_arrow.names]
                for group in range(parquet.num_row_groups):
                    found.add(parquet.read_row_group(group, columns=there))
        except (OSError, pa.ArrowException) as error:
            raise VerificationError(
                "it cannot be read", where=location, cause=str(error), act="look with `imagecurator verify`"
            ) from None
    return found
