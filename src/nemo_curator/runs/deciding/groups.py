"""Groups of duplicates: each kept image that others duplicate, with those others, the largest group first."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.runs.deciding.connection import connected, first_row, give, positions
from nemo_curator.runs.deciding.reading import reading_decisions
from nemo_curator.runs.layout import RunDirectory

_COLUMNS = ["image_id", "rule", "score", "duplicate_of"]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One image that duplicates another.

    Attributes:
        image_id: The image.
        rule: `same_bytes`, `same_pixels`, `copy` or `similar`.
        distance: Bits between hashes, or 1 - cosine of embeddings; None where bytes or pixels are equal.
    """

    image_id: str
    rule: str
    distance: float | None


@dataclass(frozen=True, slots=True)
class Group:
    """A kept image and those that duplicate it.

    Attributes:
        kept: Id of the image that stays.
        size: How many duplicate it.
        duplicates: Those, in source order; of a large group the first ones.
    """

    kept: str
    size: int
    duplicates: tuple[Duplicate, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a run.

    Attributes:
        groups: How many there are.
        duplicates: How many images duplicate another.
        largest: Some of them, the largest first; of equal ones the one whose first duplicate comes first.
    """

    groups: int
    duplicates: int
    largest: tuple[Group, ...]


def duplicate_groups(run: RunDirectory, limit: int, members: int) -> Groups:
    """The groups of duplicates by the decisions that stand.

    Args:
        run: The run.
        limit: Groups to give at most.
        members: Duplicates of one group to give at most.

    Raises:
        InputError: The run is not decided, or its decisions cannot be read.
        StorageError: There is no room for temporary files.
    """
    with connected() as connection:
        connection.execute(
            "CREATE TABLE duplicates (image_id VARCHAR, rule VARCHAR, score DOUBLE, duplicate_of VARCHAR, place BIGINT)"
        )
        start = 0
        with reading_decisions(run) as parquet:
            for batch in parquet.iter_batches(columns=[*_COLUMNS, "verdict"]):
                places = positions(start, batch.num_rows)
                rows = pa.Table.from_arrays([*(batch[name] for name in _COLUMNS), places], names=[*_COLUMNS, "place"])
                rows = rows.filter(pc.equal(batch["verdict"], pa.scalar("duplicate")))
                if rows.num_rows:
                    give(connection, "given", rows)
                    connection.execute("INSERT INTO duplicates BY NAME FROM given")
                start += batch.num_rows
        total, groups = first_row(connection, "SELECT count(*), count(DISTINCT duplicate_of) FROM duplicates")
        largest = connection.execute(
            "SELECT duplicate_of, count(*) AS size FROM duplicates GROUP BY duplicate_of "
            f"ORDER BY size DESC, min(place) LIMIT {limit}"
        ).fetchall()
        found = []
        for kept, size in largest:
            some = connection.execute(
                f"SELECT image_id, rule, score FROM duplicates WHERE duplicate_of = $1 ORDER BY place LIMIT {members}",
                [kept],
            ).fetchall()
            found.append(Group(kept, int(size), tuple(Duplicate(*row) for row in some)))
    return Groups(int(groups), int(total), tuple(found))
