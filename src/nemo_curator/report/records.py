"""The numbers of a run as one table in DuckDB: of every input its verdict and what it was scored.

Everything that the page counts is asked of this table, so that it is what a rule would see. It stays within a budget of
memory and then goes to temporary files. One connection is used by one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import duckdb
import numpy as np

from nemo_curator.errors import RecipeError
from nemo_curator.report.verdicts import Verdicts
from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding import Policy, Rule, parse_rule
from nemo_curator.runs.deciding.connection import connected, give, lock
from nemo_curator.runs.deciding.records import load
from nemo_curator.runs.deciding.schemas import Schemas
from nemo_curator.runs.layout import RunDirectory

READABLE = "error IS NULL"
"""Of which inputs rules are asked."""


@contextmanager
def records_of(
    run: RunDirectory,
    partition_ids: Sequence[str],
    rules: Sequence[Rule],
    columns: Collection[str],
    verdicts: Verdicts,
    schemas: Schemas | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the table `records`, and beside it `verdicts`: `__position` and `__group`, the index of a group.

    Args:
        run: The run; all its partitions are done.
        partition_ids: Its partitions, in source order.
        rules: What may be asked of the records.
        columns: Names of the columns that are wanted besides.
        verdicts: The verdicts of the run.
        schemas: Columns of all its parts, where somebody has looked at them already.

    Raises:
        InputError: A part is missing or damaged.
        StorageError: There is no room for temporary files.
    """
    wanted = Rule("report", "true", frozenset(columns), frozenset(), where="the report")
    with connected() as connection:
        load(connection, run, partition_ids, Policy(rules=(*rules, wanted), duplicate_bytes=False), schemas)
        lock(connection)
        numbers = verdicts.numbers.astype(np.int64)
        give(connection, "given", table_of({"__position": np.arange(len(numbers)), "__group": numbers}))
        connection.execute(
            "CREATE TABLE verdicts AS SELECT __position, CAST(__group AS USMALLINT) AS __group FROM given"
        )
        connection.execute("DROP VIEW given")
        yield connection


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
