"""The database that decisions are computed in: in memory up to a budget, then in temporary files of its own.

DuckDB's own threads do the work; one connection is used by one thread of ours. What it may do ends with `lock`: after
that it reaches no file but those it spills to, and no setting can be changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import StorageError
from nemo_curator.runs.deciding.scratch import scratch_folder

MEMORY = "640MB"  # of tables, sorts and joins; what is beyond goes to temporary files
_THREADS = 8  # more would only share the budget among more


@contextmanager
def connected(
    *, spill: bool = True, threads: int | None = None, memory: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database for one decision.

    Args:
        spill: Whether what exceeds the budget may go to temporary files (below `TMPDIR`), removed at the end.
        threads: Threads; one a core, up to 8, by default. Results do not depend on it.
        memory: Bytes that it may hold in memory, 640 MB by default. Results do not depend on it.

    Raises:
        StorageError: The place for temporary files is full or cannot be written.
    """
    with scratch_folder() if spill else nullcontext("") as folder:
        connection = duckdb.connect(":memory:", config=_config(folder, memory))
        try:
            cores = count(connection, "SELECT current_setting('threads')")
            connection.execute(f"SET threads = {threads or min(_THREADS, cores)}")
            yield connection
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise StorageError(
                "deciding ran out of room for its temporary files",
                where=folder or tempfile.gettempdir(),
                cause=str(error).splitlines()[0],
                act="free some space, or set TMPDIR to a folder with more of it",
            ) from None
        finally:
            connection.close()


def _config(folder: str, memory: int | None) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": MEMORY if memory is None else f"{memory}B",
        "preserve_insertion_order": "false",  # every table carries its position; keeping order too costs memory
        "temp_directory": storage.join(folder, "spilled") if folder else "",
    }


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Switch everything off that is not this database, for good; only then is a rule's text evaluated."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def give(connection: duckdb.DuckDBPyConnection, view: str, table: pa.Table) -> None:
    """Let queries see an Arrow table under a name."""
    # `register` would import pandas where that is installed
    connection.execute(f"DROP VIEW IF EXISTS {view}")
    connection.from_arrow(table).create_view(view)


def positions(start: int, rows: int) -> pa.Array[Any]:
    """`(rows,)` int64 that count from `start`."""
    # `pa.array` would import pandas where that is installed
    return pa.Array.from_buffers(pa.int64(), rows, [None, pa.py_buffer(np.arange(start, start + rows).tobytes())])


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query gives."""
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def first_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The first row of a query, which is read to its end: until then the connection gives no relation."""
    rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
    return rows[0]


def text(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def name(column: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + column.replace('"', '""') + '"'
