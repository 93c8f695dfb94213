"""The table `known`: images that stand on lists of hashes of known images, by equal bytes or by what they show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator.kernels.hamming import nearest_within
from nemo_curator.runs.deciding.connection import count, give, text
from nemo_curator.runs.deciding.policy import KnownBad, Policy
from nemo_curator.shards.hash_lists import HashList

UNSURE = 50
"""PDQ quality below which its authors advise against comparing; a reason says so."""

_BLOCK = 1 << 17  # images whose PDQ hashes are searched at a time
_EXACT = {"sha256": "__sha", "md5": "__md5"}
_KINDS = (*_EXACT, "pdq")  # of several hashes on one list the first counts
_TABLE = "(__position BIGINT, __list INTEGER, __kind INTEGER, __distance INTEGER, __hash BLOB)"


class KnownMatch(NamedTuple):
    """A list that an image is on.

    Attributes:
        name: The list.
        reason: Which of its hashes matches, and how nearly.
    """

    name: str
    reason: str


def find_known(connection: duckdb.DuckDBPyConnection, policy: Policy, records: str = "records") -> None:
    """Make the tables `known_on` (a row a list that has the image) and `known` (the first list of each image).

    Nothing of either is made where the policy has no such lists.

    Args:
        connection: A database with the records.
        policy: How to decide.
        records: The table of the images that are looked for, with the columns of `records`.
    """
    bad = policy.known_bad
    if bad is None:
        return
    connection.execute(f"CREATE TABLE matches {_TABLE}")
    _match(connection, bad, records)
    best = "QUALIFY row_number() OVER (PARTITION BY __position{} ORDER BY __list, __kind, __distance, __hash) = 1"
    connection.execute(f"CREATE TABLE known_on AS SELECT * FROM matches {best.format(', __list')}")
    connection.execute(f"CREATE TABLE known AS SELECT * FROM known_on {best.format('')} ORDER BY __position")
    connection.execute("DROP TABLE matches")


def known_counts(connection: duckdb.DuckDBPyConnection, policy: Policy) -> tuple[dict[str, int], dict[str, int]]:
    """Of every list how many images it would reject by itself, and how many have no hash that it could be asked for."""
    if policy.known_bad is None:
        return {}, {}
    lists = policy.known_bad.lists
    rows = dict(connection.execute("SELECT __list, count(*) FROM known_on GROUP BY __list").fetchall())
    alone = {one.name: int(rows.get(at, 0)) for at, one in enumerate(lists)}
    missing = {
        one.name: count(connection, f"SELECT count(*) FROM records WHERE error IS NULL AND {unknown_sql(one)}")
        for one in lists
    }
    return alone, missing


def unknown_sql(listed: HashList) -> str:
    """True for a record that lacks a hash of a kind that the list has."""
    lacking = [f"__{kind} IS NULL" for kind in ("md5", "pdq") if len(getattr(listed, kind))]
    return f"({' OR '.join(lacking)})" if lacking else "false"


def name_sql(bad: KnownBad) -> str:
    """The name of the list that a row of `known` is about."""
    return f"CASE __list{_cases([text(one.name) for one in bad.lists])} END"


def reason_sql(bad: KnownBad) -> str:
    """Which hash of the list that a row of `known` is about matches; beside the columns of `records`."""
    file = f"CASE __list{_cases([text(one.file) for one in bad.lists])} END"
    # the quality is there only where a list has PDQ hashes, and is needed only there
    quality = f"concat(' (quality ', __pdq_quality, if(__pdq_quality < {UNSURE}, ': not reliable)', ')'))"
    listed = "lower(hex(__hash))"
    near = f"'its PDQ hash' || {quality} || ' is ' || __distance || ' bits from ' || {listed} || ' in ' || {file}"
    cases = [f"'its SHA-256 is in ' || {file}", f"'its MD5 ' || {listed} || ' is in ' || {file}"]
    return f"CASE __kind{_cases([*cases, near if 'pdq' in bad.kinds else 'NULL'])} END"


def known_lists(connection: duckdb.DuckDBPyConnection, policy: Policy, image_id: str) -> tuple[KnownMatch, ...]:
    """All lists that one image is on, in their order.

    Args:
        connection: A database with `records`, in which no image has been looked for yet.
        policy: How to decide.
        image_id: The image.
    """
    bad = policy.known_bad
    if bad is None:
        return ()
    # `records` is a view where a key of the metadata has no type, so that nothing can be deleted from it
    connection.execute("CREATE TABLE one AS FROM records WHERE image_id = $1", [image_id])
    find_known(connection, policy, "one")
    rows = f"SELECT {name_sql(bad)}, {reason_sql(bad)} FROM known_on JOIN one USING (__position) ORDER BY __list"
    return tuple(KnownMatch(*row) for row in connection.execute(rows).fetchall())


def _cases(values: list[str]) -> str:
    return "".join(f" WHEN {at} THEN {value}" for at, value in enumerate(values))


def _match(connection: duckdb.DuckDBPyConnection, bad: KnownBad, records: str) -> None:
    for at, listed in enumerate(bad.lists):
        for kind, column in _EXACT.items():
            hashes: npt.NDArray[np.uint8] = getattr(listed, kind)
            if len(hashes):
                give(connection, "given", pa.Table.from_arrays([_blobs(hashes)], names=["hash"]))
                connection.execute(
                    f"INSERT INTO matches SELECT __position, {at}, {_KINDS.index(kind)}, NULL, hash "
                    f"FROM {records} JOIN given ON {column} = hash WHERE error IS NULL"
                )
    found = [rows for rows in _near(connection, bad, records) if rows.num_rows]
    if found:
        give(connection, "given", pa.concat_tables(found))
        connection.execute("INSERT INTO matches SELECT * FROM given")


def _near(connection: duckdb.DuckDBPyConnection, bad: KnownBad, records: str) -> Iterator[pa.Table]:
    """Rows of `matches` by PDQ hashes. A picture without structure has a hash of zeros, which says nothing."""
    lists = [(at, one) for at, one in enumerate(bad.lists) if len(one.pdq)]
    if not lists:
        return
    asked = connection.sql(
        f"SELECT __position, __pdq FROM {records} WHERE error IS NULL AND __pdq IS NOT NULL "
        f"AND __pdq <> unhex('{'00' * 32}') AND coalesce(__pdq_quality, 0) >= {bad.min_quality}"
    )
    for batch in asked.to_arrow_reader(_BLOCK):
        positions = np.asarray(batch["__position"], np.int64)
        hashes = _rows_of(batch["__pdq"])
        for at, listed in lists:
            rows, distances = nearest_within(hashes, listed.near, bad.distance)
            hit = np.flatnonzero(rows >= 0)
            yield pa.Table.from_arrays(
                [
                    _numbers(positions[hit]),
                    _numbers(np.full(len(hit), at)),
                    _numbers(np.full(len(hit), _KINDS.index("pdq"))),
                    _numbers(distances[hit]),
                    _blobs(listed.pdq[rows[hit]]),
                ],
                names=["__position", "__list", "__kind", "__distance", "__hash"],
            )


def _rows_of(column: pa.Array[Any]) -> npt.NDArray[np.uint8]:
    """`(N, 32)` of a column of values that are all 32 bytes long."""
    plain = column.cast(pa.binary(32))
    buffer: Any = plain.buffers()[1]  # there is one: nothing is NULL
    return np.frombuffer(buffer, np.uint8, 32 * len(plain), 32 * plain.offset).reshape(-1, 32)


def _blobs(rows: npt.NDArray[np.uint8]) -> pa.Array[Any]:
    """`(N, size)` bytes as N binary values, without a copy."""
    data: Any = np.ascontiguousarray(rows)
    return pa.Array.from_buffers(pa.binary(rows.shape[1]), len(rows), [None, pa.py_buffer(data)])


def _numbers(values: npt.NDArray[np.int64]) -> pa.Array[Any]:
    # `pa.array` would import pandas where that is installed
    data: Any = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(data)])
