"""Which member of a cluster is preferred to which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

COSINE_DISTANCE, L2_DISTANCE = "cosine_dist_to_cent", "l2_dist_to_cent"
DISTANCES = {"cosine": COSINE_DISTANCE, "l2": L2_DISTANCE}
"""Column of the distance to the centroid, by metric."""

KEEP = ("hard", "easy", "random")
"""What `which_to_keep` may be."""

Keep = Literal["hard", "easy", "random"]
Direction = Literal["ascending", "descending"]


@dataclass(frozen=True)
class RankingStrategy:
    """An order of the members of a cluster by columns; the first of several that are similar is kept.

    Args:
        metadata_cols: Columns to sort by, the most important first: metadata fields of the workflow,
            `cosine_dist_to_cent` or `l2_dist_to_cent`. Members that tie in all of them are taken in the order of their
            ids; a member without a value comes last.
        ascending: Whether small values come first; one for all columns, or one for each.

    Raises:
        ValueError: There is no column, or not one `ascending` for each.

    `RankingStrategy(["width", "quality"], ascending=False)` keeps the widest, and of equally wide ones the best.
    """

    metadata_cols: Sequence[str]
    ascending: bool | Sequence[bool] = True

    def __post_init__(self) -> None:
        """Refuse what is no order."""
        if isinstance(self.metadata_cols, str) or not self.metadata_cols:
            raise ValueError(f"metadata_cols is a list of at least one column, not {self.metadata_cols!r}")
        if not isinstance(self.ascending, bool) and len(self.ascending) != len(self.metadata_cols):
            raise ValueError(
                f"ascending is one for all columns or one for each: {len(self.ascending)} for "
                f"{len(self.metadata_cols)} columns"
            )

    def keys(self) -> list[tuple[str, Direction]]:
        """Columns and their directions, the most important first."""
        each = [self.ascending] * len(self.metadata_cols) if isinstance(self.ascending, bool) else self.ascending
        return [
            (column, "ascending" if upwards else "descending")
            for column, upwards in zip(self.metadata_cols, each, strict=True)
        ]


def preferred_first(
    members: pa.Table, id_field: str, keep: Keep, metric: str, strategy: RankingStrategy | None, seed: Sequence[int]
) -> npt.NDArray[np.int64]:
    """The order of the members of a cluster, preferred ones first; ties by id.

    Args:
        members: A row each, with their ids, distances and metadata.
        id_field: Column of the ids.
        keep: `hard` prefers what is far from the centroid, `easy` what is near, `random` by chance.
        metric: `cosine` or `l2`: which distance counts.
        strategy: Another order, in place of `keep`.
        seed: Of chance.

    Returns:
        `(N,)`, numbers of rows.
    """
    if strategy is None and keep == "random":
        by_id = _sorted(members, [(id_field, "ascending")])
        return by_id[np.random.default_rng(list(seed)).permutation(len(by_id))]
    keys = (
        [(DISTANCES[metric], "descending" if keep == "hard" else "ascending")] if strategy is None else strategy.keys()
    )
    return _sorted(members, [*keys, (id_field, "ascending")])


def _sorted(members: pa.Table, keys: Sequence[tuple[str, Direction]]) -> npt.NDArray[np.int64]:
    for at, field in enumerate(members.schema):
        if pa.types.is_float16(field.type):  # Arrow does not sort it
            members = members.set_column(at, field.name, members[field.name].cast(pa.float32()))
    order = pc.sort_indices(members, sort_keys=list(keys))  # nulls come last
    return np.asarray(order, np.int64)
