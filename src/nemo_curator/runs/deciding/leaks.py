"""`leaks.parquet`: which images show which protected ones; written by a decision, and read both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.deciding.connection import connected, first_row, give, positions, text
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES
from nemo_curator.runs.deciding.verdicts import ROW_GROUP
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.row_groups import row_groups
from nemo_curator.shards.parquet import open_parquet

_COLUMNS: dict[str, pa.DataType] = {
    "image_id": pa.string(),
    "protected": pa.string(),
    "set": pa.string(),
    "kind": pa.string(),
    "distance": pa.float64(),
}
LEAKS_SCHEMA = pa.schema(_COLUMNS)
"""An image, the protected one that it shows (`set:id`), its set, how (`same_bytes`, …), and how far apart they are."""

By = Literal["protected", "image"]


@dataclass(frozen=True, slots=True)
class Shown:
    """One end of a leak.

    Attributes:
        image_id: The image at the other end.
        kind: `same_bytes`, `same_pixels`, `copy` or `similar`.
        distance: Bits between hashes, or 1 - cosine of embeddings; None where bytes or pixels are equal.
    """

    image_id: str
    kind: str
    distance: float | None


@dataclass(frozen=True, slots=True)
class Leak:
    """A protected image and those that show it; or an image and the protected ones that it shows.

    Attributes:
        image_id: Its id; of a protected one behind the name of its set.
        size: How many are at the other end.
        ends: Those, in source order or the nearest first; of many the first ones.
    """

    image_id: str
    size: int
    ends: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Leaks:
    """The leaks of a run.

    Attributes:
        images: How many images show a protected one.
        protected: How many protected images are shown.
        listed: Some of either, as asked: those with the most at their other end first.
    """

    images: int
    protected: int
    listed: tuple[Leak, ...]


def write_leaks(connection: duckdb.DuckDBPyConnection, run: RunDirectory, names: Sequence[str]) -> None:
    """Write every image with each protected one that it shows, in source order.

    Args:
        connection: A database with `records` and `leak_links`.
        run: The run.
        names: The protect sets, in order.

    Raises:
        StorageError: The file cannot be written.
    """
    ways = "".join(f" WHEN {at} THEN {text(rule)}" for at, rule in enumerate(DUPLICATE_RULES))
    sets = "".join(f" WHEN {at} THEN {text(name)}" for at, name in enumerate(names))
    rows = connection.sql(f"""
        SELECT image_id, __best_id AS protected, CASE __set{sets} END AS "set", CASE __way{ways} END AS kind,
               __apart AS distance
        FROM leak_links JOIN records USING (__position) ORDER BY __position, __way, __apart NULLS FIRST, __set, __other
    """)
    with (
        storage.write_atomic(run.leaks) as file,
        pq.ParquetWriter(file, LEAKS_SCHEMA, compression="zstd", write_page_checksum=True) as writer,
    ):
        for group in row_groups(rows.to_arrow_reader(ROW_GROUP), ROW_GROUP):
            writer.write_table(group.cast(LEAKS_SCHEMA), row_group_size=ROW_GROUP)


def read_leaks(run: RunDirectory, by: By, limit: int, ends: int) -> Leaks:
    """The leaks of the decision that stands.

    Args:
        run: The run.
        by: Whether to list protected images, or images that show them.
        limit: How many to list at most.
        ends: Of each how many at its other end at most.

    Raises:
        InputError: No protect set was looked at in this run, or the file cannot be read.
        StorageError: There is no room for temporary files.
    """
    with connected() as connection:
        connection.execute(
            "CREATE TABLE leaks (image_id VARCHAR, protected VARCHAR, kind VARCHAR, distance DOUBLE, place BIGINT)"
        )
        _load(connection, run)
        images, protected = first_row(
            connection, "SELECT count(DISTINCT image_id), count(DISTINCT protected) FROM leaks"
        )
        one, other = ("protected", "image_id") if by == "protected" else ("image_id", "protected")
        largest = connection.execute(
            f"SELECT {one}, count(*) AS size FROM leaks GROUP BY {one} ORDER BY size DESC, min(place) LIMIT {limit}"
        ).fetchall()
        listed = []
        for name, size in largest:
            rows = connection.execute(
                f"SELECT {other}, kind, distance FROM leaks WHERE {one} = $1 ORDER BY place LIMIT {ends}", [name]
            ).fetchall()
            listed.append(Leak(name, int(size), tuple(Shown(*row) for row in rows)))
    return Leaks(int(images), int(protected), tuple(listed))


def _load(connection: duckdb.DuckDBPyConnection, run: RunDirectory) -> None:
    names = ["image_id", "protected", "kind", "distance"]
    start = 0
    try:
        with open_parquet(run.leaks) as parquet:
            for batch in parquet.iter_batches(columns=names):
                rows = pa.Table.from_batches([batch]).append_column("place", positions(start, batch.num_rows))
                give(connection, "given", rows)
                connection.execute("INSERT INTO leaks BY NAME FROM given")
                start += batch.num_rows
    except FileNotFoundError:
        raise InputError(
            "no protect set was looked at in this run",
            where=run.root,
            act="decide it with `--protect DATASET`",
        ) from None
    except (OSError, pa.ArrowException) as error:
        cause = str(error).splitlines()[0]
        raise InputError("these leaks cannot be read", where=run.leaks, cause=cause, act="decide again") from None
