"""The values of each axis, one axis at a time: some tens of bytes an image, whatever the number of scores."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from nemo_curator.report.axes import Axis
from nemo_curator.report.records import READABLE
from nemo_curator.report.spreads import Most, Spread, Values, ends, kept_only, nearest, spread_of
from nemo_curator.report.verdicts import Positions

_ENDS, _NEAR = 4, 6


@dataclass(frozen=True, slots=True)
class Reading:
    """What is found out about one axis.

    Attributes:
        spread: How its values lie.
        near: Positions of the images next to each of its thresholds, on either side, the nearest first.
        ends: Positions of the images at either end, among all and among those that are kept.
    """

    spread: Spread
    near: tuple[list[int], ...]
    ends: tuple[list[int], ...]


def values_of(connection: duckdb.DuckDBPyConnection, axis: Axis, kept: int | None) -> Values:
    """The values of one axis.

    Args:
        connection: A database with `records` and `verdicts`.
        axis: The axis.
        kept: Number of the group of kept images; None where there are none.
    """
    table = connection.sql(
        f"SELECT TRY(CAST({axis.sql} AS DOUBLE)) AS number, __position AS position, "  # noqa: S608 (a column, or a rule that was parsed and checked)
        f"__group = {-1 if kept is None else kept} AS kept "
        f"FROM records JOIN verdicts USING (__position) WHERE {READABLE}"
    ).to_arrow_table()
    is_kept = table["kept"].to_numpy()
    there = ~table["number"].is_null().to_numpy()
    return Values(
        numbers=np.asarray(table["number"].to_numpy()[there], np.float64),
        positions=table["position"].to_numpy()[there],
        kept=is_kept[there],
        missing=int(np.count_nonzero(~there)),
        kept_missing=int(np.count_nonzero(is_kept & ~there)),
    )


def read_axis(connection: duckdb.DuckDBPyConnection, axis: Axis, kept: int | None, most: Most) -> Reading:
    """What there is to say of one axis.

    Args:
        connection: A database with `records` and `verdicts`.
        axis: The axis.
        kept: Number of the group of kept images; None where there are none.
        most: So many points are told of it.
    """
    values = values_of(connection, axis, kept)
    near = [one for cut in axis.thresholds for one in nearest(values, cut.value, _NEAR)]
    return Reading(spread_of(axis, values, most), tuple(near), (*ends(kept_only(values), _ENDS), *ends(values, _ENDS)))


def readable_positions(connection: duckdb.DuckDBPyConnection) -> Positions:
    """`(N,)`, positions of the readable images, ascending."""
    table = connection.sql(
        f"SELECT __position FROM records WHERE {READABLE} ORDER BY __position"  # noqa: S608 (a constant)
    ).to_arrow_table()
    return np.asarray(table["__position"].to_numpy(), np.int64)


def unusable_positions(connection: duckdb.DuckDBPyConnection) -> dict[str, Positions]:
    """Error code to the positions of the inputs that have it, codes sorted."""
    table = connection.sql(
        f"SELECT error, __position FROM records WHERE NOT ({READABLE}) ORDER BY error, __position"  # noqa: S608 (a constant)
    ).to_arrow_table()
    codes, places = np.array(table["error"].to_pylist(), object), table["__position"].to_numpy()
    return {str(code): places[codes == code] for code in dict.fromkeys(codes)}


def bytes_by_group(connection: duckdb.DuckDBPyConnection) -> tuple[dict[int, int], dict[str, int]]:
    """Bytes of the encoded images, by number of a group of readable ones and by error code, where they are known."""
    rows = connection.execute(
        'SELECT __group, error, sum("bytes") FROM records JOIN verdicts USING (__position) GROUP BY __group, error'
    ).fetchall()
    groups: dict[int, int] = {}
    codes: dict[str, int] = {}
    for group, code, size in rows:
        if size is not None and code is None:
            groups[int(group)] = int(size)
        elif size is not None:
            codes[str(code)] = codes.get(str(code), 0) + int(size)
    return groups, codes
