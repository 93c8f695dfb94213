"""The table `records`: of every input the columns that decisions need, with its position in source order.

Parts on this machine are read by DuckDB itself, in parallel and without a copy; parts behind a URL are opened through
our storage, some at once. Parts may differ in their scores: what one lacks is NULL there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import accumulate, chain
from typing import Any

import duckdb
import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import DuplicateIdError, InputError, RecipeError, nearest
from nemo_curator.runs.deciding.computed import CAPTION_FREQUENCY, CAPTION_HASH, HASH_SQL, count_captions, settle_keys
from nemo_curator.runs.deciding.connection import count, give, name, positions, text
from nemo_curator.runs.deciding.metadata_keys import key_of, keys_among, raw_sql, text_sql
from nemo_curator.runs.deciding.policy import Policy, Split
from nemo_curator.runs.deciding.schemas import Schemas, schemas_of
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import check_columns
from nemo_curator.shards.parquet import open_parquet, read_table

_OWN = ("image_id", "error", "error_detail")
_ROW = "__row"
_BATCH = 500  # parts read at a time; some 80 kB are kept of each while it is
_AT_ONCE = 8  # parts elsewhere that are asked for at once, and held
_GLOB = re.compile(r"[*?\[\]{}]")  # DuckDB would take such a path for a pattern
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER")
_HASHES = {"md5": 16, "pdq": 32}  # score to its length in bytes
SHA_SQL = "CASE WHEN length(sha256) = 64 THEN coalesce(TRY(unhex(sha256)), encode(sha256)) ELSE encode(sha256) END"
"""The hash of an image's bytes, as bytes."""


def load(
    connection: duckdb.DuckDBPyConnection,
    run: RunDirectory,
    partition_ids: Sequence[str],
    policy: Policy,
    schemas: Schemas | None = None,
) -> int:
    """Make the table `records` of a run's parts, and check its ids.

    Args:
        connection: Where.
        run: The run.
        partition_ids: Its partitions, in source order.
        policy: Whose columns are wanted.
        schemas: Columns of all its parts, where somebody has looked at them already.

    Returns:
        The number of records.

    Raises:
        InputError: A part is missing, torn or truncated.
        RecipeError: The parts lack a column that the policy reads.
        DuplicateIdError: Two inputs have the same id.
    """
    paths = [run.part(partition_id) for partition_id in partition_ids]
    try:
        if paths and all(storage.is_local(path) and not _GLOB.search(path) for path in paths):
            _load_files(connection, [os.path.abspath(storage.local_path(path)) for path in paths], policy)  # noqa: PTH100
        else:
            schema = (schemas or schemas_of(run, partition_ids)).together()
            tables = _tables(run, partition_ids, _read(policy, schema.names))
            _load_tables(connection, schema, tables, policy)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        _name_the_torn(paths)
        if isinstance(error, (duckdb.OutOfMemoryException, duckdb.IOException)):
            raise  # every part is whole: it is the temporary files that fail
        raise InputError(
            "the parts of this run cannot be read together", where=run.root, cause=str(error).splitlines()[0]
        ) from None
    _refuse_equal_ids(connection)
    _compute(connection, policy, lambda: _documents(run, partition_ids))
    return count(connection, "SELECT count(*) FROM records")


def load_table(connection: duckdb.DuckDBPyConnection, table: pa.Table, policy: Policy) -> None:
    """Make the table `records` of one table, whose columns are all that there are."""
    _load_tables(connection, table.schema, [table], policy)
    _compute(connection, policy, lambda: iter(table["metadata"].to_pylist()))


def _compute(
    connection: duckdb.DuckDBPyConnection, policy: Policy, documents: Callable[[], Iterator[str | None]]
) -> None:
    """Finish the columns that depend on the whole data set, of which `records` holds the beginnings so far."""
    if CAPTION_HASH in columns_of(connection, "records"):
        count_captions(connection)
    places = {key: place for place, columns in reversed(_asks(policy)) for key in keys_among(columns)}
    settle_keys(connection, places, documents)


def _documents(run: RunDirectory, partition_ids: Sequence[str]) -> Iterator[str | None]:
    for table in _tables(run, partition_ids, {"metadata"}):
        yield from table["metadata"].to_pylist()


def _read(policy: Policy, known: Collection[str]) -> set[str]:
    """The stored columns that a policy needs, also for what is computed of them."""
    columns = {*_OWN, "sha256", *(one for one in policy.columns if not key_of(one))}
    columns |= {"metadata"} if keys_among(policy.columns) else set()
    if _counts_captions(policy, known):
        columns = columns - {CAPTION_FREQUENCY} | {"caption"}
    columns |= {"bytes", "pdq_quality", "pixels_sha256"} if policy.alike else set()
    return columns | (policy.known_bad.columns if policy.known_bad else set())


def _counts_captions(policy: Policy, known: Collection[str]) -> bool:
    """Whether frequencies are asked for; a stage that records a column of that name has it instead."""
    return CAPTION_FREQUENCY in policy.columns and CAPTION_FREQUENCY not in known


def _load_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[str], policy: Policy) -> None:
    """Read local parts, so many at a time that what DuckDB remembers of each file stays within the budget."""
    batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
    columns = [columns_of(connection, _source(batch)) for batch in batches]
    kinds = _together(connection, columns)
    _refuse_unknown(policy, kinds)
    _check_pages(paths, _read(policy, kinds))
    offset = 0
    for number, (batch, known) in enumerate(zip(batches, columns, strict=True)):
        rows = f"SELECT file_name, num_rows FROM parquet_file_metadata({_list(batch)})"
        sizes = dict(connection.execute(rows).fetchall())
        *starts, offset = accumulate((int(sizes[path]) for path in batch), initial=offset)
        position = f"CAST({starts} AS BIGINT[])[CAST(file_index AS BIGINT) + 1] + CAST(file_row_number AS BIGINT)"
        target = "INSERT INTO records" if number else "CREATE TABLE records AS"
        connection.execute(f"{target} SELECT {_selection(policy, kinds, known, position)} FROM {_source(batch)}")


def _check_pages(paths: Sequence[str], columns: AbstractSet[str]) -> None:
    """Read what will be read, for the checksums of its pages: DuckDB passes over these.

    Raises:
        OSError, pyarrow.ArrowException: A part is missing or damaged.
        InputError: The end of a part, which has no checksum, was altered.
    """
    for path in paths:
        with open_parquet(path) as parquet:
            check_columns(parquet, path)
            for _ in parquet.iter_batches(columns=sorted(columns & set(parquet.schema_arrow.names))):
                pass


def _list(paths: Sequence[str]) -> str:
    return f"[{', '.join(map(text, paths))}]"


def _source(paths: Sequence[str]) -> str:
    return f"read_parquet({_list(paths)}, union_by_name = true, hive_partitioning = false)"


def columns_of(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Column to type, of a table, view or query."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()}


def _together(connection: duckdb.DuckDBPyConnection, columns: Sequence[dict[str, str]]) -> dict[str, str]:
    """Column to a type that holds all its values, wherever it is found."""
    kinds: dict[str, set[str]] = {}
    for found in columns:
        for column, kind in found.items():
            kinds.setdefault(column, set()).add(kind)
    nulls = {
        column: " UNION ALL ".join(f"SELECT CAST(NULL AS {kind}) AS one" for kind in sorted(found))
        for column, found in kinds.items()
    }
    return {
        column: next(iter(found)) if len(found) == 1 else columns_of(connection, f"({nulls[column]})")["one"]
        for column, found in kinds.items()
    }


def _load_tables(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, tables: Iterable[pa.Table], policy: Policy
) -> None:
    empty = pa.Table.from_batches([], schema)
    give(connection, "part", empty)
    kinds = columns_of(connection, "part")
    _refuse_unknown(policy, kinds)
    wanted = [field for field in schema if field.name in _read(policy, schema.names)]
    offset = 0
    for number, table in enumerate(chain([empty], tables)):
        columns = [*(_column(table, field) for field in wanted), pa.chunked_array([positions(offset, table.num_rows)])]
        give(connection, "part", pa.Table.from_arrays(columns, names=[*(field.name for field in wanted), _ROW]))
        target = "INSERT INTO records" if number else "CREATE TABLE records AS"
        connection.execute(f"{target} SELECT {_selection(policy, kinds, kinds, _ROW)} FROM part")
        offset += table.num_rows
    connection.execute("DROP VIEW part")


def _column(table: pa.Table, field: pa.Field[Any]) -> pa.ChunkedArray[Any]:
    """A column of a part; NULLs where the part does not have it."""
    if field.name in table.schema.names:
        return table[field.name].cast(field.type)
    return pa.chunked_array([pa.nulls(table.num_rows, field.type)])


def _tables(run: RunDirectory, partition_ids: Sequence[str], columns: Collection[str]) -> Iterator[pa.Table]:
    wanted = sorted(columns)
    yield from storage.at_once(lambda one: read_table(run.part(one), wanted), partition_ids, run.root, _AT_ONCE)


def _name_the_torn(paths: Sequence[str]) -> None:
    """Find the part that is to blame for a failure.

    Raises:
        InputError: This one cannot be read.
    """
    for path in paths:
        try:
            with open_parquet(path) as parquet:
                for _ in parquet.iter_batches():
                    pass
        except (OSError, pa.ArrowException) as error:
            missing = isinstance(error, FileNotFoundError)
            raise InputError(
                "this part of the run is missing" if missing else "this part of the run is torn or damaged",
                where=path,
                cause=str(error).splitlines()[0],
                act="run the same command that scored again: it computes this part anew",
            ) from None


def _refuse_unknown(policy: Policy, known: Collection[str]) -> None:
    """Name the first rule, list, or other part of a policy, that reads what there is not."""
    _refuse_hashless(policy, known)
    for place, (score, *wanted) in (policy.alike.needs if policy.alike else {}).items():
        if not set(wanted) <= set(known):
            raise RecipeError(
                f"there is no column {wanted[0]!r} to find such duplicates by",
                where=place,
                act=f"add `{score}` to `scores` and score again",
            )
    for place, columns in _asks(policy):
        for column in sorted({one for one in columns if not key_of(one)} - {*known, CAPTION_FREQUENCY}):
            hint = nearest(column, [one for one in known if not one.startswith("__")])
            raise RecipeError(
                f"the run has no column {column!r}", where=place, act=f"{hint}; or add the score that computes it"
            )


def _refuse_hashless(policy: Policy, known: Collection[str]) -> None:
    """Name the first list of known images whose hashes the run has nothing to compare with."""
    for listed in policy.known_bad.lists if policy.known_bad else ():
        for kind, words in (("md5", "MD5"), ("pdq", "PDQ")):
            if len(getattr(listed, kind)) and not {kind, *(["pdq_quality"] if kind == "pdq" else [])} <= set(known):
                raise RecipeError(
                    f"the list {listed.name!r} has {words} hashes, and the run has none to compare them with",
                    where=listed.where,
                    act="add `hashes` to `scores` and score again; only SHA-256 needs no score",
                )


def _asks(policy: Policy) -> list[tuple[str, frozenset[str]]]:
    """(where it stands, what it reads) of every part of a policy."""
    asks = [(rule.place, rule.columns) for rule in policy.rules]
    asks += [(policy.prefer.place, policy.prefer.columns)] if policy.prefer else []
    parts = (("sample", policy.sample), ("split", policy.split))
    return [*asks, *((f"{what}: by", frozenset([part.by])) for what, part in parts if part and part.by)]


def _selection(policy: Policy, kinds: Mapping[str, str], known: Collection[str], position: str) -> str:
    """What of some parts goes into `records`: each column with its type in all parts, NULL where these lack it."""
    columns = []
    keys = keys_among(policy.columns)
    nothing = "CAST(NULL AS VARCHAR)"
    columns += [f"{raw_sql(key, keys) if 'metadata' in known else nothing} AS {name(key.column)}" for key in keys]
    if _counts_captions(policy, kinds):
        columns.append(f"{HASH_SQL if 'caption' in known else 'CAST(NULL AS UHUGEINT)'} AS {CAPTION_HASH}")
    columns += (typed_sql(one, kinds, known) for one in sorted({*_OWN, *policy.columns} & kinds.keys()))
    columns.append(f"{position} AS __position")
    columns.append(f"{SHA_SQL} AS __sha")
    columns += _hashes(policy, kinds, known)
    if policy.alike:
        columns += _preferences(kinds, known)
    if policy.split:
        columns.append(f"{_side(policy, policy.split, kinds, known)} AS __side")
    return ", ".join(columns)


def typed_sql(column: str, kinds: Mapping[str, str], known: Collection[str]) -> str:
    """SQL for a stored column as rules see it. Integers are widened, so that the area of a bomb does not overflow.

    Args:
        column: The column.
        kinds: Column to its type in all parts.
        known: The columns that these parts have.
    """
    kind = "BIGINT" if kinds[column] in _INTEGERS else kinds[column]
    return f"CAST({name(column) if column in known else 'NULL'} AS {kind}) AS {name(column)}"


def _hashes(policy: Policy, kinds: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """The scores that lists of known images are compared with, as bytes; NULL where one is no such hash."""
    for column in sorted(policy.known_bad.columns if policy.known_bad else ()):
        value = f"CAST(CAST({name(column) if column in known else 'NULL'} AS {kinds[column]}) AS VARCHAR)"
        if column in _HASHES:
            length = _HASHES[column]
            yield f"CASE WHEN length({value}) = {2 * length} THEN TRY(unhex({value})) END AS __{column}"
        else:
            yield f"TRY_CAST({value} AS INTEGER) AS __{column}"


def _preferences(kinds: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """What tells the better of two images that are alike, and the hash of their pixels; NULL where there is none."""

    def cast(column: str, kind: str) -> str:
        return f"TRY_CAST({name(column) if column in kinds and column in known else 'NULL'} AS {kind})"

    yield f"{cast('bytes', 'BIGINT')} AS __bytes"
    yield f"{cast('pdq_quality', 'INTEGER')} AS __quality"
    yield f"{pixels_sql(cast('pixels_sha256', 'VARCHAR'))} AS __pixels"


def pixels_sql(pixels: str) -> str:
    """The hash of an image's pixels as bytes; NULL where a text is no such hash."""
    return f"CASE WHEN length({pixels}) = 64 THEN TRY(unhex({pixels})) END"


def _side(policy: Policy, split: Split, kinds: Mapping[str, str], known: Collection[str]) -> str:
    """Where an image lies between 0 and 1, by its key alone: the first 52 bits of an MD5."""
    by = split.by or "sha256"
    if inner := key_of(by):
        by, value = "metadata", text_sql(raw_sql(inner, keys_among(policy.columns)))
    else:
        value = f"CAST(CAST({name(by)} AS {kinds[by]}) AS VARCHAR)"  # the same text whatever type a part has
    key = f"coalesce({value}, image_id)" if by in known else "image_id"
    digest = f"md5({split.seed} || ':' || {key})"
    return f"CAST(CAST('0x' || left({digest}, 13) AS BIGINT) AS DOUBLE) / {2**52}"


def _refuse_equal_ids(connection: duckdb.DuckDBPyConnection) -> None:
    """By hashes first: the ids themselves are compared only where two of those are equal."""
    twice = "SELECT hash(image_id) AS hashed FROM records GROUP BY hashed HAVING count(*) > 1"
    connection.execute(f"CREATE TEMP TABLE twice AS {twice}")
    found = connection.execute(
        "SELECT image_id, count(*) FROM records WHERE hash(image_id) IN (SELECT hashed FROM twice) "
        "GROUP BY image_id HAVING count(*) > 1 ORDER BY image_id LIMIT 1"
    ).fetchone()
    connection.execute("DROP TABLE twice")
    if found:
        raise DuplicateIdError(
            f"{found[1]} inputs have the id {found[0]!r}",
            cause="a shard and a file, or two inputs, name the same sample",
            act="give inputs names, as in NAME=PATH, or rename one of the files",
        )
