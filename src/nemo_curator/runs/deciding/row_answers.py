"""Rules asked about images while these are scored: the same SQL, on the same types, as when verdicts are made.

One database in memory, with one thread, belongs to whoever opened it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from nemo_curator.runs.deciding.connection import connected, give, lock, positions
from nemo_curator.runs.deciding.expressions import boolean
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.deciding.records import columns_of, load_table, typed_sql
from nemo_curator.runs.deciding.rules import Rule

_ROW = "__row"


class RowAnswers:
    """Asks rules of one row. A context manager; of one thread.

    Args:
        rules: The rules.
        schema: The columns that parts have.

    Attributes:
        schema: The columns that are asked about.
    """

    def __init__(self, rules: Sequence[Rule], schema: pa.Schema) -> None:
        self._rules = tuple(rules)
        read = frozenset({"image_id"}).union(*(rule.columns for rule in rules))  # a rule may read nothing: `true`
        self.schema = pa.schema([field for field in schema if field.name in read])
        self._whole = schema
        self._stack = ExitStack()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._query = ""

    def __enter__(self) -> Self:
        """Make the database.

        Raises:
            RecipeError: A rule is no boolean on these columns.
        """
        with ExitStack() as stack:
            connection = stack.enter_context(connected(spill=False, threads=1))
            load_table(connection, pa.Table.from_batches([], self._whole), Policy(self._rules))
            lock(connection)
            answers = [boolean(connection, rule, rule.sql({}), rule.sql({})) for rule in self._rules]
            give(connection, "part", pa.Table.from_batches([], self.schema))
            kinds = columns_of(connection, "part")
            columns = ", ".join([*(typed_sql(one, kinds, kinds) for one in kinds), _ROW])
            self._query = f"SELECT {', '.join([_ROW, *answers])} FROM (SELECT {columns} FROM part) ORDER BY {_ROW}"
            self._connection = connection
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection = None
        self._stack.close()

    def ask(self, rows: pa.Table) -> list[frozenset[int]]:
        """Numbers of the rules that are true, for each row.

        Args:
            rows: Columns of `schema`.

        Raises:
            RuntimeError: The database is not open.
        """
        if self._connection is None:
            raise RuntimeError("rules are asked inside the block that opens them")
        columns = [*rows.itercolumns(), pa.chunked_array([positions(0, rows.num_rows)])]
        give(self._connection, "part", pa.Table.from_arrays(columns, names=[*rows.schema.names, _ROW]))
        found = self._connection.execute(self._query).fetchall()
        return [frozenset(at for at, answer in enumerate(answers) if answer) for _, *answers in found]
