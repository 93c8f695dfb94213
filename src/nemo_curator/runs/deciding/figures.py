"""What rules ask of the whole run: quantiles, and ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import duckdb

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding.computed import told_type
from nemo_curator.runs.deciding.connection import count
from nemo_curator.runs.deciding.expressions import type_of
from nemo_curator.runs.deciding.metadata_keys import column_sql, key_of
from nemo_curator.runs.deciding.rules import Quantile, Rank, Rule

NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """Quantiles as numbers, ranks as columns.

    Attributes:
        quantiles: Quantile to its value; None where no readable image has one.
        ranks: Rank to the SQL that stands for it.
        joins: SQL that brings the columns of the ranks beside `records`.
    """

    quantiles: Mapping[Quantile, float | None] = field(default_factory=dict)
    ranks: Mapping[Rank, str] = field(default_factory=dict)
    joins: str = ""


def unknown_figures(rules: Sequence[Rule]) -> Figures:
    """Stand-ins of the right types, to check rules with before there is anything to compute."""
    quantiles = {one: 0.0 for rule in rules for one in rule.quantiles}
    return Figures(quantiles, {one: "CAST(NULL AS BIGINT)" for rule in rules for one in rule.ranks})


def figures(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> Figures:
    """Compute every quantile and rank that rules ask for, over all readable records.

    Raises:
        RecipeError: One is asked of what is no number.
    """
    check_figures(connection, rules)
    wanted = sorted({one for rule in rules for one in rule.quantiles}, key=lambda one: (one.column, one.q))
    quantiles = {one: _quantile(connection, one) for one in wanted}
    ranks: dict[Rank, str] = {}
    joins = ""
    asked = sorted({one for rule in rules for one in rule.ranks}, key=lambda one: one.expression)
    for number, rank in enumerate(asked):
        column = f"__rank_{number}"
        _make_ranks(connection, column, rank.sql(quantiles))
        ranks[rank] = f'"{column}"'
        joins += f" LEFT JOIN {column} USING (__position)"
    return Figures(quantiles, ranks, joins)


def check_figures(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> None:
    """Make sure that quantiles and ranks are asked of numbers.

    Raises:
        RecipeError: One is not.
    """
    for rule in rules:
        stand_ins = unknown_figures([rule]).quantiles
        asked: list[tuple[str, str, Quantile | Rank]] = [
            *((f"quantile of {one.column!r}", column_sql(one.column), one) for one in rule.quantiles),
            *((f"rank by {one.expression}", one.sql(stand_ins), one) for one in rule.ranks),
        ]
        for what, sql, one in sorted(asked, key=lambda ask: ask[:2]):
            if type_of(connection, rule, sql).partition("(")[0] not in (*NUMBERS, '"NULL"'):
                key = key_of(one.column) if isinstance(one, Quantile) else None
                told = f"; {told_type(connection, key)[0]}" if key else ""
                raise RecipeError(f"there is no {what}, which is no number{told}", where=rule.place)


def place_of(q: float, values: int) -> int:
    """Which of so many sorted values, counted from 1, is the smallest that a share q of them does not exceed."""
    return max(1, math.ceil(Fraction(repr(q)) * values))


def _quantile(connection: duckdb.DuckDBPyConnection, quantile: Quantile) -> float | None:
    """The smallest seen value that at least a share q of the readable rows do not exceed; exact, and by sorting.

    Sorting goes to the disk where an aggregate would hold every value.
    """
    column = column_sql(quantile.column)
    known = f"FROM records WHERE error IS NULL AND {column} IS NOT NULL"
    values = count(connection, f"SELECT count(*) {known}")
    if not values:
        return None
    place = place_of(quantile.q, values)
    found = connection.execute(f"SELECT {column} {known} ORDER BY {column} LIMIT 1 OFFSET {place - 1}").fetchone()
    return float(found[0]) if found else None


def _make_ranks(connection: duckdb.DuckDBPyConnection, column: str, sql: str) -> None:
    """A table of (position, rank). What has no value, or is not a number (NaN), has no rank."""
    connection.execute(f"""
        CREATE TABLE {column} AS
        WITH valued AS (SELECT __position, image_id, TRY({sql}) AS value FROM records WHERE error IS NULL)
        SELECT __position, row_number() OVER (ORDER BY value DESC, image_id) AS {column}
        FROM valued WHERE value IS NOT NULL AND CAST(value AS DOUBLE) <> CAST('NaN' AS DOUBLE)
    """)
