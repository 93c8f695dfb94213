"""What two decisions disagree about: `imagecurator diff`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from nemo_curator.runs.deciding.connection import connected, count, give, positions
from nemo_curator.runs.deciding.reading import reading_decisions
from nemo_curator.runs.layout import RunDirectory

_COMPARED = ("verdict", "rule", "reason", "score", "threshold", "duplicate_of")
_CHANGED = "(a.verdict IS DISTINCT FROM b.verdict OR a.rule IS DISTINCT FROM b.rule)"


@dataclass(frozen=True, slots=True)
class Transition:
    """A way in which verdicts changed.

    Attributes:
        before: (verdict, rule) in the first run.
        after: (verdict, rule) in the second.
        images: Number of images that went this way.
    """

    before: tuple[str, str | None]
    after: tuple[str, str | None]
    images: int


@dataclass(frozen=True, slots=True)
class Decision:
    """One image's row of decisions, as `decisions.parquet` has it."""

    verdict: str
    rule: str | None
    reason: str | None
    score: float | None
    threshold: float | None
    duplicate_of: str | None


@dataclass(frozen=True, slots=True)
class ChangedImage:
    """An image with another verdict, or another rule.

    Attributes:
        image_id: The image.
        before: Its decision in the first run.
        after: Its decision in the second.
    """

    image_id: str
    before: Decision
    after: Decision


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two decisions differ.

    Attributes:
        same: Images in both with the same verdict by the same rule.
        only_before: Images that the second run does not have.
        only_after: Images that the first run does not have.
        transitions: What changed into what, the largest number first.
    """

    same: int
    only_before: int
    only_after: int
    transitions: tuple[Transition, ...]

    @property
    def changed(self) -> int:
        """Images in both with another verdict or rule."""
        return sum(one.images for one in self.transitions)


def compare(before: RunDirectory, after: RunDirectory) -> Comparison:
    """Compare the decisions of two runs by id, in bounded memory.

    Args:
        before: A run, decided.
        after: Another, decided.

    Raises:
        InputError: One of them has no decisions, or they cannot be read.
        StorageError: There is no room for temporary files.
    """
    with _joined(before, after) as connection:
        both = "FROM a JOIN b USING (image_id)"
        rows = connection.execute(
            f"SELECT a.verdict, a.rule, b.verdict, b.rule, count(*) AS images {both} WHERE {_CHANGED} "
            "GROUP BY ALL ORDER BY images DESC, a.verdict, a.rule NULLS FIRST, b.verdict, b.rule NULLS FIRST"
        ).fetchall()
        shared = count(connection, f"SELECT count(*) {both}")
        sizes = [count(connection, f"SELECT count(*) FROM {side}") for side in ("a", "b")]
    transitions = tuple(Transition((row[0], row[1]), (row[2], row[3]), int(row[4])) for row in rows)
    same = shared - sum(one.images for one in transitions)
    return Comparison(same, sizes[0] - shared, sizes[1] - shared, transitions)


def changed_images(before: RunDirectory, after: RunDirectory) -> Iterator[ChangedImage]:
    """Every image whose verdict or rule changed, in the order of the first run; as many at a time as are asked for.

    Raises:
        InputError: One of the runs has no decisions, or they cannot be read.
        StorageError: There is no room for temporary files.
    """
    columns = ", ".join(f"{side}.{column}" for side in ("a", "b") for column in _COMPARED)
    with _joined(before, after) as connection:
        query = f"SELECT image_id, {columns} FROM a JOIN b USING (image_id) WHERE {_CHANGED} ORDER BY a.position"
        rows = connection.execute(query)
        while row := rows.fetchone():
            middle = len(_COMPARED) + 1
            yield ChangedImage(row[0], Decision(*row[1:middle]), Decision(*row[middle:]))


def ids_of_one(before: RunDirectory, after: RunDirectory) -> Iterator[str]:
    """Ids that `before` has and `after` has not, in source order; exchange the two for the others.

    Raises:
        InputError: One of the runs has no decisions, or they cannot be read.
        StorageError: There is no room for temporary files.
    """
    with _joined(before, after) as connection:
        rows = connection.execute("SELECT image_id FROM a ANTI JOIN b USING (image_id) ORDER BY a.position")
        while row := rows.fetchone():
            yield str(row[0])


@contextmanager
def _joined(before: RunDirectory, after: RunDirectory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the decisions of two runs as `a` and `b`."""
    with connected() as connection:
        for side, run in (("a", before), ("b", after)):
            _take(connection, side, run)
        yield connection


def _take(connection: duckdb.DuckDBPyConnection, side: str, run: RunDirectory) -> None:
    """A run's decisions as a table, with the position of each row."""
    connection.execute(
        f"CREATE TABLE {side} (image_id VARCHAR, verdict VARCHAR, rule VARCHAR, reason VARCHAR, score DOUBLE, "
        "threshold DOUBLE, duplicate_of VARCHAR, position BIGINT)"
    )
    columns = ["image_id", *_COMPARED]
    position = 0
    with reading_decisions(run) as parquet:
        for batch in parquet.iter_batches(columns=columns):
            rows = [*(batch[column] for column in columns), positions(position, batch.num_rows)]
            give(connection, "given", pa.Table.from_arrays(rows, names=[*columns, "position"]))
            connection.execute(f"INSERT INTO {side} BY NAME FROM given")
            position += batch.num_rows
