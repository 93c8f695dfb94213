"""What was seen of the values that rules compare, over all readable images of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import duckdb

from nemo_curator.runs.deciding.connection import first_row
from nemo_curator.runs.deciding.figures import NUMBERS, place_of
from nemo_curator.runs.deciding.rule_comparisons import Compared

_SHARES = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}
_FREQUENT = 3  # texts that are named
_SHOWN = 40  # characters of each
_LARGEST = 1e15  # a larger number is written with a power of ten

ValueKind = Literal["number", "text", "truth", "other"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one value.

    Attributes:
        kind: What it is.
        count: Images that have it; NaN is no value.
        low: The smallest, of numbers.
        high: The largest.
        constants: SQL of a constant to the number that it is, or None.
        hits: SQL of constants to the number of images that have one of them, of texts.
    """

    kind: ValueKind
    count: int = 0
    low: float | None = None
    high: float | None = None
    constants: Mapping[str, float | None] = field(default_factory=dict)
    hits: Mapping[tuple[str, ...], int] = field(default_factory=dict)


class Values:
    """Values of SQL expressions.

    Args:
        connection: A database with `records`.
        source: The `FROM` clause that has their columns.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str) -> None:
        self._connection = connection
        self._source = source
        self._seen: dict[str, Seen] = {}

    def survey(self, compared: Sequence[Compared]) -> int:
        """Look at everything that is compared, in one pass over the records.

        Returns:
            The number of readable images.
        """
        kinds = self._kinds(one.value for one in compared)
        asked = ["count(*)"]
        places: dict[str, tuple[int, int]] = {}
        columns = []
        for at, (value, kind) in enumerate(kinds.items()):
            column = f"value_{at}"
            columns.append(f"TRY({value if kind != 'number' else f'CAST({value} AS DOUBLE)'}) AS {column}")
            mine = [one for one in compared if one.value == value]
            figures = _number_figures(column, mine) if kind == "number" else _text_figures(column, kind, mine)
            places[value] = (len(asked), len(asked) + len(figures))
            asked += figures
        inner = f"SELECT {', '.join(columns) or 'NULL'} {self._source} WHERE error IS NULL"
        row = first_row(self._connection, f"SELECT {', '.join(asked)} FROM ({inner})")
        for value, (start, stop) in places.items():
            mine = [one for one in compared if one.value == value]
            self._seen[value] = _seen(kinds[value], row[start:stop], mine)
        return int(row[0])

    def of(self, compared: Compared) -> Seen:
        """What was seen of a value that was surveyed."""
        return self._seen[compared.value]

    def described(self, compared: Compared) -> str:
        """How the values lie, in words: the quantiles of numbers, the most frequent texts, how often what is true."""
        if compared.value not in self._seen:
            self.survey([compared])
        seen = self.of(compared)
        if not seen.count:
            return ""
        if seen.kind == "number":
            return self._spread(compared, seen)
        if seen.kind == "text" and compared.operator in {"=", "in"}:
            most = self._frequent(compared.value)
            frequent = ", ".join(f"{_cut(value)!r} ({images:,})" for value, images in most[:_FREQUENT])
            return f"{compared.written} is {'most often ' if len(most) > _FREQUENT else ''}{frequent}"
        if seen.kind == "truth":
            counts = dict(self._frequent(compared.value))
            return (
                f"{compared.written} is true for {counts.get(True, 0):,} and false for {counts.get(False, 0):,} images"
            )
        return ""

    def _kinds(self, values: Iterable[str]) -> dict[str, ValueKind]:
        distinct = list(dict.fromkeys(values))
        if not distinct:
            return {}
        types = ", ".join(f"typeof({value})" for value in distinct)
        row = first_row(
            self._connection, f"SELECT {types} FROM (SELECT * {self._source} LIMIT 0) RIGHT JOIN (SELECT 1) ON true"
        )
        return {value: _kind(str(found)) for value, found in zip(distinct, row, strict=True)}

    def _spread(self, compared: Compared, seen: Seen) -> str:
        low, high = (_figure(one) for one in (seen.low, seen.high))
        if seen.low == seen.high:
            return f"{compared.written} is {low} wherever it has a value"
        places = {share: place_of(q, seen.count) for share, q in _SHARES.items()}
        rows = self._connection.execute(f"""
            SELECT place, value FROM (
                SELECT value, row_number() OVER (ORDER BY value) AS place
                FROM (SELECT TRY(CAST({compared.value} AS DOUBLE)) AS value {self._source} WHERE error IS NULL)
                WHERE value IS NOT NULL AND NOT isnan(value))
            WHERE place IN ({", ".join(map(str, places.values()))})
        """)
        found = dict(rows.fetchall())
        inner = ", ".join(f"{share}: {_figure(found[place])}" for share, place in places.items())
        return f"{compared.written} is {low} … {high} ({inner})"

    def _frequent(self, value: str) -> list[tuple[Any, int]]:
        return self._connection.execute(f"""
            SELECT value, count(*) AS images FROM (SELECT TRY({value}) AS value {self._source} WHERE error IS NULL)
            WHERE value IS NOT NULL GROUP BY value ORDER BY images DESC, value LIMIT {_FREQUENT + 1}
        """).fetchall()


def _kind(found: str) -> ValueKind:
    if found.partition("(")[0] in NUMBERS or found == '"NULL"':
        return "number"
    return "text" if found == "VARCHAR" else "truth" if found == "BOOLEAN" else "other"


def _constants(compared: Iterable[Compared]) -> list[str]:
    return list(dict.fromkeys(constant for one in compared for constant in one.constants))


def _tuples(compared: Iterable[Compared]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(one.constants for one in compared if one.constants and one.operator in {"=", "in"}))


def _number_figures(column: str, compared: Sequence[Compared]) -> list[str]:
    known = f"FILTER (NOT isnan({column}))"
    constants = [f"any_value(TRY(CAST({one} AS DOUBLE)))" for one in _constants(compared)]
    return [f"count({column}) {known}", f"min({column}) {known}", f"max({column}) {known}", *constants]


def _text_figures(column: str, kind: ValueKind, compared: Sequence[Compared]) -> list[str]:
    hits = [f"count(*) FILTER ({column} IN ({', '.join(one)}))" for one in _tuples(compared)] if kind == "text" else []
    return [f"count({column})", *hits]


def _seen(kind: ValueKind, figures: Sequence[Any], compared: Sequence[Compared]) -> Seen:
    if kind == "number":
        count, low, high, *constants = figures
        known = {
            name: one if one is None or not math.isnan(one) else None
            for name, one in zip(_constants(compared), constants, strict=True)
        }
        return Seen(kind, count, low, high, known)
    count, *hits = figures
    return Seen(kind, count, hits=dict(zip(_tuples(compared), hits, strict=True)) if kind == "text" else {})


def _figure(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "infinite" if value is not None and value > 0 else "minus infinite"
    return f"{int(value):,}" if value.is_integer() and abs(value) < _LARGEST else f"{value:.4g}"


def _cut(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[: _SHOWN - 1]}…"
