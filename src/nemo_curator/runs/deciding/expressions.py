"""What DuckDB says about a rule: its type, or why it is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from nemo_curator.errors import RecipeError
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
    return f"TRY({sql})"


def type_of(connection: duckdb.DuckDBPyConnection, rule: Rule, sql: str) -> str:
    """The type of an expression over `records`.

    Raises:
        RecipeError: DuckDB cannot evaluate it.
    """
    try:
        # one row of NULLs is enough to learn the type
        kind = connection.execute(f"SELECT typeof({sql}) FROM (FROM records LIMIT 0) RIGHT JOIN (SELECT 1) ON true")
        found = kind.fetchone()
    except duckdb.Error as error:
        raise RecipeError(str(error).splitlines()[0], where=rule.place) from None
    return str(found[0]) if found else ""
