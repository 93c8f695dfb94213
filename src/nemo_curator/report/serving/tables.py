"""What is asked of a run's database beside the numbers: rows to show, words to find, groups of duplicates.

One connection is used by one thread at a time: whoever calls these holds the lock of the `Standing` that owns it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import duckdb
import numpy as np

from nemo_curator.report.axes import Axis
from nemo_curator.report.records import READABLE
from nemo_curator.report.samples import Row
from nemo_curator.report.verdicts import Positions
from nemo_curator.runs.deciding.connection import name

SHOWN = ("source", "format", "width", "height", "bytes", "caption", "error_detail")
"""Columns that a row to show has beside its scores."""

Order = Literal["far", "size", "source"]
"""How groups of duplicates are ordered: those farthest apart, the largest, or the first ones first."""

_ORDERS: dict[Order, str] = {
    "far": "far DESC NULLS LAST, first",
    "size": "size DESC, first",
    "source": "first",
}
_APART = "CASE rule WHEN 'copy' THEN score / 256 ELSE score END"  # of bits, as of cosines, 1 is as far as can be
_CAPTION = 2_000  # characters read of a caption; far fewer are shown


def add_removed(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table `removed`, of every duplicate what its verdict compared."""
    connection.execute(
        "CREATE TABLE removed AS SELECT __position, rule, score, duplicate_of FROM decided WHERE verdict = 'duplicate'"
    )


def rows_at(
    connection: duckdb.DuckDBPyConnection, places: Sequence[int], columns: Sequence[str], axes: Sequence[Axis]
) -> dict[int, Row]:
    """Position to row of some inputs.

    Args:
        connection: The database.
        places: Their positions.
        columns: Names of columns to bring besides `image_id`.
        axes: What to bring as `numbers`: a float for each axis, None where there is none.
    """
    if not places:
        return {}
    wanted = ", ".join(str(int(one)) for one in places)
    shown = "".join(
        f", left(coalesce(caption, ''), {_CAPTION}) AS caption" if one == "caption" else f", {name(one)}"
        for one in columns
    )
    values = "".join(f", TRY(CAST({axis.sql} AS DOUBLE)) AS __axis_{at}" for at, axis in enumerate(axes))
    rows = connection.sql(
        f"SELECT __position, image_id, error{shown}{values} FROM records WHERE __position IN ({wanted})"  # noqa: S608 (integers, columns, and rules that were parsed and checked)
    ).to_arrow_table()
    decided = connection.sql(
        f"SELECT * FROM decided WHERE __position IN ({wanted})"  # noqa: S608 (integers)
    ).to_arrow_table()
    beside = {row["__position"]: row for row in decided.to_pylist()}
    found: dict[int, Row] = {}
    for row in rows.to_pylist():
        numbers = [row.pop(f"__axis_{at}") for at in range(len(axes))]
        found[row["__position"]] = beside[row["__position"]] | row | {"numbers": numbers}
    return found


def find_words(connection: duckdb.DuckDBPyConnection, words: Sequence[str]) -> Positions:
    """Positions of readable images whose id and caption hold all of some words, in upper or lower case, ascending."""
    text = "lower(concat_ws(' ', image_id, caption))"
    held = "".join(f" AND contains({text}, lower(?))" for _ in words)
    found = connection.sql(
        f"SELECT __position FROM records WHERE {READABLE}{held} ORDER BY __position",  # noqa: S608 (constants)
        params=list(words),
    ).to_arrow_table()
    return np.asarray(found["__position"].to_numpy(), np.int64)


def group_count(connection: duckdb.DuckDBPyConnection) -> int:
    """How many groups of duplicates there are."""
    rows = connection.execute("SELECT count(DISTINCT duplicate_of) FROM removed").fetchall()
    return int(rows[0][0])


def groups_at(
    connection: duckdb.DuckDBPyConnection, order: Order, offset: int, limit: int, members: int
) -> list[dict[str, Any]]:
    """Some groups of duplicates.

    Args:
        connection: The database.
        order: Which come first.
        offset: So many are passed over.
        limit: So many at most.
        members: Of each so many duplicates at most, those farthest apart first.

    Returns:
        Of each group the id of the `kept` image, its `size` in duplicates, and `members` as (position, rule, score).
    """
    groups = connection.execute(
        f"SELECT duplicate_of, count(*) AS size, max({_APART}) AS far, min(__position) AS first FROM removed "  # noqa: S608 (constants)
        f"GROUP BY duplicate_of ORDER BY {_ORDERS[order]} LIMIT ? OFFSET ?",
        [limit, offset],
    ).fetchall()
    found = []
    for kept, size, *_ in groups:
        rows = connection.execute(
            f"SELECT __position, rule, score FROM removed WHERE duplicate_of = ? "  # noqa: S608 (constants)
            f"ORDER BY {_APART} DESC NULLS LAST, __position LIMIT ?",
            [kept, members],
        ).fetchall()
        found.append({"kept": str(kept), "size": int(size), "members": rows})
    return found


def unusable_at(connection: duckdb.DuckDBPyConnection, code: str, offset: int, limit: int) -> list[dict[str, Any]]:
    """`image_id`, `source` and `error_detail` of some inputs that could not be used for a reason, in source order."""
    rows = connection.execute(
        "SELECT image_id, source, error_detail FROM records WHERE error = ? ORDER BY __position LIMIT ? OFFSET ?",
        [code, limit, offset],
    ).fetchall()
    return [dict(zip(("image_id", "source", "error_detail"), row, strict=True)) for row in rows]
