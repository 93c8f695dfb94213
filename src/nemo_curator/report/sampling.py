"""Which images the page shows, and their numbers: some are chosen for a reason, the rest evenly in source order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from nemo_curator.report.axes import Axis
from nemo_curator.report.records import READABLE
from nemo_curator.report.verdicts import Positions, evenly
from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding.connection import give

_FEW_PICTURES, _MOST_PICTURES, _SHARE = 200, 600, 3
_MOST_ROWS = 3_000
_MOST_BYTES = 1_200_000  # of the numbers of all rows together


@dataclass(frozen=True, slots=True)
class Sample:
    """Images whose numbers the page holds.

    Attributes:
        positions: `(M,)`, ascending.
        groups: `(M,)`, the index of the group of each, as the verdicts number them.
        ids: Their ids, fit to be shown.
        numbers: `(A, M)` float64, the value of each axis; NaN where an image has none.
        places: `(M, 2)`, where each lies on the map of embeddings, NaN where nowhere; None where there is no map.
        shares: Share of the variance of embeddings that each direction of the map has.
    """

    positions: Positions
    groups: npt.NDArray[np.int64]
    ids: tuple[str, ...]
    numbers: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64] | None = None
    shares: tuple[float, float] = (0.0, 0.0)


def picture_count(readable: int) -> int:
    """How many images get a picture: all of few, then a third, so that a report takes little beside the run itself.

    Args:
        readable: Number of readable images.
    """
    return min(readable, max(_FEW_PICTURES, min(_MOST_PICTURES, readable // _SHARE)))


def choose(wishes: Sequence[Iterable[int]], readable: Positions, most: int) -> list[int]:
    """Positions of the images that get a picture, the most important first.

    Args:
        wishes: Positions, the most important first.
        readable: Positions of all readable images, ascending.
        most: So many.
    """
    wanted = dict.fromkeys(int(one) for wish in wishes for one in wish)
    chosen = list(wanted)[:most]
    taken = set(chosen)
    rest = [one for one in evenly(readable, most) if one not in taken]
    return [*chosen, *rest[: most - len(chosen)]]


def in_turns(lists: Iterable[Sequence[int]]) -> list[int]:
    """The first of each list, then the second of each, and so on."""
    lists = [one for one in lists if one]
    longest = max((len(one) for one in lists), default=0)
    return [one[turn] for turn in range(longest) for one in lists if turn < len(one)]


def rows_to_show(pictured: Sequence[int], readable: Positions, axes: int) -> Positions:
    """Positions of the images whose numbers the page holds: those with a picture, and others evenly.

    Args:
        pictured: Positions of images with a picture.
        readable: Positions of all readable images, ascending.
        axes: How many numbers each image has.
    """
    most = min(_MOST_ROWS, _MOST_BYTES // (8 * max(1, axes)))
    if len(readable) <= most:
        return readable
    others = evenly(readable, max(0, most - len(pictured)))
    return np.unique(np.array([*pictured, *others], np.int64))


def numbers_of(
    connection: duckdb.DuckDBPyConnection, positions: Positions, axes: Sequence[Axis]
) -> tuple[npt.NDArray[np.int64], list[str], npt.NDArray[np.float64]]:
    """Group, id and numbers of some inputs.

    Args:
        connection: A database with `records` and `verdicts`.
        positions: `(M,)`, ascending.
        axes: A axes.

    Returns:
        `(M,)`, M ids, and `(A, M)` with NaN where there is no number.
    """
    give(connection, "chosen", table_of({"__position": positions}))
    values = "".join(f", TRY(CAST({axis.sql} AS DOUBLE)) AS __axis_{at}" for at, axis in enumerate(axes))
    table = connection.sql(
        f"SELECT __group, image_id{values} FROM records JOIN chosen USING (__position) "  # noqa: S608 (columns, and rules that were parsed and checked)
        f"JOIN verdicts USING (__position) WHERE {READABLE} ORDER BY __position"
    ).to_arrow_table()
    connection.execute("DROP VIEW chosen")
    numbers = np.full((len(axes), table.num_rows), np.nan)
    for at in range(len(axes)):
        numbers[at] = table[f"__axis_{at}"].to_numpy()  # NULL becomes NaN
    return table["__group"].to_numpy().astype(np.int64), table["image_id"].to_pylist(), numbers
