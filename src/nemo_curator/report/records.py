"""The numbers of a run as one table in DuckDB: of every input its verdict and what it was scored.

Everything that the page counts is asked of this table, so that it is what a rule would see. It stays within a budget of
memory and then goes to temporary files. One connection is used by one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

import duckdb

from nemo_curator.errors import RecipeError
from nemo_curator.runs.deciding import Policy, Rule, parse_rule
from nemo_curator.runs.deciding.connection import lock
from nemo_curator.runs.deciding.records import load
from nemo_curator.runs.deciding.schemas import Schemas
from nemo_curator.runs.layout import RunDirectory

READABLE = "error IS NULL"
"""Of which inputs rules are asked."""


def load_records(
    connection: duckdb.DuckDBPyConnection,
    run: RunDirectory,
    partition_ids: Sequence[str],
    rules: Sequence[Rule],
    columns: Collection[str],
    schemas: Schemas | None = None,
) -> None:
    """Make the table `records` in a database, which is locked then.

    Args:
        connection: The database.
        run: The run; all its partitions are done.
        partition_ids: Its partitions, in source order.
        rules: What may be asked of the records.
        columns: Names of the columns that are wanted besides.
        schemas: Columns of all its parts, where somebody has looked at them already.

    Raises:
        InputError: A part is missing or damaged.
        StorageError: There is no room for temporary files.
    """
    wanted = Rule("report", "true", frozenset(columns), frozenset(), where="the report")
    load(connection, run, partition_ids, Policy(rules=(*rules, wanted), duplicate_bytes=False), schemas)
    lock(connection)


def usable_rules(rules: Mapping[str, str], columns: Collection[str]) -> tuple[Rule, ...]:
    """The rules of a recipe that can be asked of a run's columns, in order.

    A rule that cannot, because another version wrote it or a column is gone, has no threshold to show.

    Args:
        rules: Name to expression.
        columns: Names of the stored columns.
    """
    found = []
    for name, text in rules.items():
        with suppress(RecipeError):
            found.append(parse_rule(name, text, columns))
    return tuple(found)
