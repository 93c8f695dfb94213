"""What DuckDB says about a rule: its type, or why it is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding.computed import key_type, mistyped, told_type
from nemo_curator.runs.deciding.connection import count, name
from nemo_curator.runs.deciding.metadata_keys import keys_among
from nemo_curator.runs.deciding.rule_comparisons import comparisons
from nemo_curator.runs.deciding.rules import Rule


@contextmanager
def evaluating() -> Iterator[None]:
    """Whatever DuckDB refuses about an expression only when it sees rows is the recipe's fault, told in a sentence.

    Raises:
        RecipeError: It refused.
    """
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException):
        raise  # about its temporary files
    except duckdb.Error as error:
        raise RecipeError(
            "the rules cannot be evaluated on these rows",
            cause=str(error).splitlines()[0],
            act="take out the rule that compares such values",
        ) from None


def boolean(connection: duckdb.DuckDBPyConnection, rule: Rule, sql: str, typed: str) -> str:
    """The rule's SQL, if it is a boolean on these columns.

    What cannot be computed for a row (a text compared with a number, an overflow) is NULL there: undecided.

    Args:
        connection: A database with the table `records`.
        rule: The rule.
        sql: The rule as SQL.
        typed: The rule as SQL of `records` alone, with stand-ins for its ranks.

    Raises:
        RecipeError: It is none.
    """
    found = type_of(connection, rule, typed)
    if found not in ("BOOLEAN", '"NULL"'):
        raise RecipeError(
            f"it gives {found.lower()}, not true or false",
            where=rule.place,
            act="compare it with something, as in `entropy < 2`",
        )
    _refuse_other_texts(connection, rule)
    return f"TRY({sql})"


def _refuse_other_texts(connection: duckdb.DuckDBPyConnection, rule: Rule) -> None:
    """A number is never equal to 'Canon', which DuckDB would find out a row at a time, and leave undecided."""
    keys = {name(key.column): key for key in keys_among(rule.columns)}
    compared = comparisons(rule, dict.fromkeys(rule.quantiles), dict.fromkeys(rule.ranks, "NULL")) if keys else []
    for one in compared:
        kind = key_type(connection, keys[one.value])[0] if one.value in keys else None
        for constant in one.constants if kind else ():
            if constant.startswith("'") and count(connection, f"SELECT TRY_CAST({constant} AS {kind}) IS NULL"):
                what, act = told_type(connection, keys[one.value])
                raise RecipeError(f"{what}, and {constant} is none", where=rule.place, act=act)


def type_of(connection: duckdb.DuckDBPyConnection, rule: Rule, sql: str) -> str:
    """The type of an expression over `records`.

    Raises:
        RecipeError: DuckDB cannot evaluate it.
    """
    try:
        return _typeof(connection, sql)
    except duckdb.Error as error:
        told = mistyped(connection, rule.columns, sql, lambda other: _is_typed(connection, other))
        what, act = told or (str(error).splitlines()[0], "")
        raise RecipeError(what, where=rule.place, act=act) from None


def _is_typed(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        return bool(_typeof(connection, sql))
    except duckdb.Error:
        return False


def _typeof(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    # one row of NULLs is enough to learn the type
    kind = connection.execute(f"SELECT typeof({sql}) FROM (FROM records LIMIT 0) RIGHT JOIN (SELECT 1) ON true")
    found = kind.fetchone()
    return str(found[0]) if found else ""
