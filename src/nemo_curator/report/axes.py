"""What can be looked at along a line of numbers: each score, and what the recipe's rules compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from nemo_curator.report.words import shown
from nemo_curator.runs.deciding import Rule
from nemo_curator.runs.deciding.connection import name
from nemo_curator.runs.deciding.figures import figures
from nemo_curator.runs.deciding.one_comparison import OneComparison, one_comparison

MOST = 100
"""Axes at most; twice as many as all scores of ours have."""

_LONGEST = 120  # characters of an expression


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a rule cuts.

    Attributes:
        rule: Its name.
        operator: `<`, `<=`, `>` or `>=`; true of what is rejected.
        value: The constant.
        moving: Whether it follows the data, as a quantile does.
    """

    rule: str
    operator: str
    value: float
    moving: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """One number that every image may have.

    Attributes:
        name: The column, or an expression as the recipe has it; what a rule says left of its operator.
        sql: The same over `records`.
        column: Whether it is a column.
        unit: Its unit, or "".
        meaning: What it is, in a sentence, or "".
        thresholds: Where rules cut it, in recipe order.
    """

    name: str
    sql: str
    column: bool = True
    unit: str = ""
    meaning: str = ""
    thresholds: tuple[Threshold, ...] = ()


def axes_of(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    columns: Sequence[str],
    declared: Mapping[str, tuple[str, str]],
) -> tuple[Axis, ...]:
    """Everything to look at: what rules compare in recipe order, then the other columns.

    Args:
        connection: A database with `records`.
        rules: Rules of the recipe.
        columns: Names of the columns that hold numbers.
        declared: Column to (unit, meaning).
    """
    quantiles = figures(connection, [rule for rule in rules if not rule.ranks]).quantiles
    by_lower = {column.lower(): column for column in columns}
    found: dict[str, Axis] = {}
    for rule in rules:
        compared = one_comparison(rule, quantiles)
        axis = _axis(compared, by_lower, declared) if compared else None
        threshold = _threshold(connection, rule.name, compared) if compared else None
        if axis is None or threshold is None:
            continue
        known = found.setdefault(axis.name, axis)
        found[axis.name] = replace(known, thresholds=(*known.thresholds, threshold))
    for column in columns:
        found.setdefault(column, Axis(column, name(column), True, *declared.get(column, ("", ""))))
    return tuple(found.values())[:MOST]


def _axis(compared: OneComparison, columns: Mapping[str, str], declared: Mapping[str, tuple[str, str]]) -> Axis | None:
    """The axis of a comparison; None where it compares what is no number that is stored."""
    if column := columns.get(compared.column.lower()):
        return Axis(column, name(column), True, *declared.get(column, ("", "")))
    return Axis(compared.written, compared.value, column=False) if len(compared.written) <= _LONGEST else None


def _threshold(connection: duckdb.DuckDBPyConnection, rule: str, compared: OneComparison) -> Threshold | None:
    try:
        ((value, known, texts),) = connection.execute(
            f"SELECT TRY_CAST({compared.threshold} AS DOUBLE), "  # noqa: S608 (of a rule that was parsed and checked)
            f"(SELECT count(TRY(CAST({compared.value} AS DOUBLE))) FROM records), "
            f"typeof({compared.threshold}) = 'VARCHAR' "
            f"AND (SELECT bool_or(typeof({compared.value}) = 'VARCHAR') FROM records)"
        ).fetchall()
    except duckdb.Error:  # what is compared is no number, and has no axis
        return None
    if texts or not known or value is None:  # texts stand in the order of their letters: '10' before '9'
        return None
    return Threshold(shown(rule, 80), compared.operator, value, compared.moving)
