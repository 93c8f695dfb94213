"""The table `copies` where more than equal bytes makes duplicates: resolved greedily, the best image first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nemo_curator.kernels.resolution import Kind, resolve
from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding.connection import count, give
from nemo_curator.runs.deciding.near import Near, near_kinds
from nemo_curator.runs.deciding.others import unless_earlier
from nemo_curator.runs.deciding.policy import Alike, Copies, Policy
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES
from nemo_curator.runs.pairing.pair_file import PairFile

_EXACT = {"same_bytes": "__sha", "same_pixels": "__pixels"}
Ints = npt.NDArray[np.int64]


def find_alike(
    connection: duckdb.DuckDBPyConnection, policy: Policy, alike: Alike, pairs: Mapping[str, PairFile]
) -> None:
    """Make the table `copies`.

    Args:
        connection: A database with `records` and `judged`.
        policy: How to decide.
        alike: What of it says which images are alike.
        pairs: Kind of pairs to their file.
    """
    near = near_kinds(alike)
    exact = [rule for rule in policy.duplicate_rules if rule in _EXACT]
    _take_codes(connection, near, pairs, count(connection, "SELECT count(*) FROM records"))
    for rule in exact:
        hashed = f"hash({_EXACT[rule]})"
        connection.execute(
            f"CREATE TABLE {rule}_repeated AS SELECT {hashed} AS hashed FROM records "
            f"WHERE error IS NULL AND {_EXACT[rule]} IS NOT NULL GROUP BY hashed HAVING count(*) > 1"
        )
    rows = connection.sql(_candidates(policy, alike, exact, near)).to_arrow_table()
    codes = {rule: _ints(rows[rule]) for rule in (*exact, *(one.rule for one in near))}
    radii = {one.rule: (pairs[one.pairs], one.radius) for one in near}
    kinds = []
    for rule in policy.duplicate_rules:
        if rule in radii:
            file, radius = radii[rule]
            kinds.append(Kind(codes[rule], lambda file=file, radius=radius: file.links(radius)))  # type: ignore[misc]
        else:
            kinds.append(Kind(codes[rule]))
    found = resolve(_fixed(rows, codes.get("same_bytes")), kinds)
    _write(connection, policy, _ints(rows["__position"]), found)
    for table in ("paired", *(f"{rule}_repeated" for rule in exact)):
        connection.execute(f"DROP TABLE {table}")


def _take_codes(
    connection: duckdb.DuckDBPyConnection, near: tuple[Near, ...], pairs: Mapping[str, PairFile], inputs: int
) -> None:
    """Make the table `paired`: of every image that has a pair of any kind, what stands for it in each."""
    codes = {one.rule: _codes(pairs[one.pairs], one.radius, inputs) for one in near}
    some = np.zeros(inputs, np.bool_)
    for column in codes.values():
        some |= column >= 0
    rows = np.flatnonzero(some)
    columns = {"__position": rows, **{rule: column[rows] for rule, column in codes.items()}}
    give(connection, "given", table_of(columns))
    connection.execute("CREATE TABLE paired AS SELECT * FROM given")
    connection.execute("DROP VIEW given")


def _codes(file: PairFile, radius: float, inputs: int) -> Ints:
    """`(inputs,)`, what stands for each image in the pairs; -1 for one that has none within the radius."""
    codes = file.codes(inputs)
    busy = np.bincount(codes, minlength=inputs) > 1
    for left, right, _ in file.links(radius):
        busy[left] = busy[right] = True
    return np.where(busy[codes], codes, -1)


def _candidates(policy: Policy, alike: Alike, exact: list[str], near: tuple[Near, ...]) -> str:
    """Images that something may be a duplicate of, the best first, with a code of each kind; -1 where one has none."""
    first = "if({0} IS NULL, -1, min(__position) OVER (PARTITION BY {0})) AS {1}"
    codes = [first.format(_EXACT[rule], rule) for rule in exact]
    codes += [f"if({_is_sure(alike.copies, one)}, coalesce(paired.{one.rule}, -1), -1) AS {one.rule}" for one in near]
    repeated = [f"hash({_EXACT[rule]}) IN (SELECT hashed FROM {rule}_repeated)" for rule in exact]
    some = " OR ".join([*repeated, "paired.__position IS NOT NULL"])
    order = ["__allowed DESC", *([f"TRY({policy.prefer.sql({})}) DESC NULLS LAST"] if policy.prefer else [])]
    order += ["__quality DESC NULLS LAST", "__bytes DESC NULLS LAST"] if alike.finer else []
    return f"""
        SELECT __position, __allowed, {", ".join(codes)}
        FROM records JOIN judged USING (__position) LEFT JOIN paired USING (__position)
        WHERE __alive{unless_earlier(policy)} AND ({some}) ORDER BY {", ".join([*order, "image_id"])}
    """


def _is_sure(copies: Copies | None, near: Near) -> str:
    """Whether an image's hash is good enough to have copies by it."""
    return f"coalesce(__quality, 0) >= {copies.min_quality}" if copies and near.rule == "copy" else "true"


def _fixed(rows: pa.Table, same_bytes: Ints | None) -> npt.NDArray[np.bool_]:
    """Allowed images, which nothing displaces, but for those whose very bytes another allowed one has."""
    fixed = np.asarray(rows["__allowed"].to_numpy(), np.bool_).copy()
    if same_bytes is not None:
        allowed = np.flatnonzero(fixed & (same_bytes >= 0))
        fixed[allowed] = False
        fixed[allowed[np.unique(same_bytes[allowed], return_index=True)[1]]] = True
    return fixed


def _write(connection: duckdb.DuckDBPyConnection, policy: Policy, positions: Ints, found: Any) -> None:
    """Make the table `copies` of what was resolved."""
    ways = np.array([DUPLICATE_RULES.index(rule) for rule in policy.duplicate_rules], np.int64)
    hit = np.flatnonzero(found.duplicate_of >= 0)
    columns = {
        "__position": positions[hit],
        "__best": positions[found.duplicate_of[hit]],
        "__way": ways[found.kind[hit]],
        "__far": found.distance[hit],
    }
    give(connection, "given", table_of(columns))
    connection.execute("""
        CREATE TABLE copies AS
        SELECT given.__position, __best, image_id AS __best_id, CAST(__way AS INTEGER) AS __way,
               CASE WHEN __way > 1 THEN __far END AS __apart
        FROM given JOIN records ON records.__position = __best ORDER BY given.__position
    """)
    connection.execute("DROP VIEW given")


def _ints(column: pa.ChunkedArray[Any]) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)
