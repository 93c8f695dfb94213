"""The tables of what the images of a run share with images of elsewhere: `leaks` and `earlier`.

Images of elsewhere stay whatever is like them, so that nothing has to be resolved: an image that is linked to one is
what it is, and stands for no other.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np

from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding.connection import count, give, text
from nemo_curator.runs.deciding.near import Near, near_kinds
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.deciding.records import SHA_SQL, pixels_sql
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES
from nemo_curator.runs.elsewhere import OtherSet, Role
from nemo_curator.runs.pairing.pair_file import Between, PairFile

MOST_LINKS = 100
"""Images of one protect set that are written down as shown by one image, the nearest of them."""

_NEAREST = "__way, __apart NULLS FIRST, __set, __other"


def unless_earlier(policy: Policy) -> str:
    """SQL, behind a condition: but not of an image that an earlier run's stands for."""
    return " AND __position NOT IN (SELECT __position FROM earlier)" if policy.against else ""


def find_leaks(
    connection: duckdb.DuckDBPyConnection, policy: Policy, others: Sequence[OtherSet], pairs: Between
) -> None:
    """Make the tables `leak_links` (every image with each protected one that it shows) and `leaks` (with the nearest).

    Nothing of either is made where the policy protects nothing.

    Args:
        connection: A database with `records`.
        policy: How to decide.
        others: The sets, in order.
        pairs: Between of near images with each of them, as far as the policy needs them.
    """
    if not policy.protect:
        return
    _link(connection, policy, [one for one in others if one.role == "protect"], pairs, "protect")
    connection.execute(f"""
        CREATE TABLE leak_links AS SELECT * FROM links
        QUALIFY row_number() OVER (PARTITION BY __position, __set ORDER BY {_NEAREST}) <= {MOST_LINKS}
    """)
    connection.execute(f"""
        CREATE TABLE leaks AS
        SELECT __position, __best_id AS __leak_id, __way AS __leak_way, __apart AS __leak_apart FROM leak_links
        QUALIFY row_number() OVER (PARTITION BY __position ORDER BY {_NEAREST}) = 1 ORDER BY __position
    """)
    connection.execute("DROP TABLE links")


def find_earlier(
    connection: duckdb.DuckDBPyConnection, policy: Policy, others: Sequence[OtherSet], pairs: Between
) -> None:
    """Make the table `earlier`: of images that nothing has rejected, those that one of an earlier run stands for.

    An allowed image stays beside one that is like it, but not beside its very bytes. Nothing is made where the policy
    has no earlier runs.

    Args:
        connection: A database with `records` and `judged`.
        policy: How to decide.
        others: The sets, in order.
        pairs: Between of near images with each of them, as far as the policy needs them.
    """
    if not policy.against:
        return
    _link(connection, policy, [one for one in others if one.role == "against"], pairs, "against")
    connection.execute(f"""
        CREATE TABLE earlier AS
        SELECT __position, __set, __best_id, __way, __apart FROM links JOIN judged USING (__position)
        WHERE __alive AND (NOT __allowed OR __way = 0)
        QUALIFY row_number() OVER (PARTITION BY __position ORDER BY {_NEAREST}) = 1 ORDER BY __position
    """)
    connection.execute("DROP TABLE links")


def _link(
    connection: duckdb.DuckDBPyConnection, policy: Policy, others: Sequence[OtherSet], pairs: Between, role: Role
) -> None:
    """Make the table `links`: position of an image, number and place of one of elsewhere, its name, how and how near.

    Of an earlier run's images that are equal in a way only the first is linked: one is enough to stand for an image.
    """
    _take(connection, others)
    connection.execute(
        "CREATE TABLE found (__position BIGINT, __set INTEGER, __other BIGINT, __way INTEGER, __apart DOUBLE)"
    )
    every = role == "protect"
    ways = {DUPLICATE_RULES.index(rule) for rule in policy.duplicate_rules} | ({0} if every else set())
    for way, column in ((0, "sha"), (1, "pixels")):
        if way in ways:
            theirs = f"SELECT __set, __other, __other_{column} AS same FROM others WHERE __other_{column} IS NOT NULL"
            if not every:
                theirs = f"SELECT __set, min(__other) AS __other, same FROM ({theirs}) GROUP BY __set, same"
            connection.execute(
                f"INSERT INTO found SELECT __position, __set, __other, {way}, NULL FROM records "
                f"JOIN ({theirs}) ON __{column} = same WHERE error IS NULL"
            )
    inputs = count(connection, "SELECT count(*) FROM records")
    for near in near_kinds(policy.alike) if policy.alike else ():
        for number, other in enumerate(others):
            _link_near(connection, policy, near, pairs[other.key][near.pairs], (number, inputs), every=every)
    connection.execute("""
        CREATE TABLE links AS
        SELECT found.*, __other_id AS __best_id FROM found JOIN others USING (__set, __other)
        QUALIFY row_number() OVER (PARTITION BY __position, __set, __other ORDER BY __way, __apart) = 1
    """)
    for table in ("found", "others"):
        connection.execute(f"DROP TABLE {table}")


def _take(connection: duckdb.DuckDBPyConnection, others: Sequence[OtherSet]) -> None:
    """Make the table `others` of all images of elsewhere that count."""
    connection.execute(
        "CREATE TABLE others (__set INTEGER, __other BIGINT, __other_id VARCHAR, __other_sha BLOB, "
        "__other_pixels BLOB, __other_quality INTEGER)"
    )
    for number, other in enumerate(others):
        for table in other.rows():
            give(connection, "given", table)
            connection.execute(
                f"INSERT INTO others SELECT {number}, place, {text(f'{other.name}:')} || image_id, {SHA_SQL}, "
                f"{pixels_sql('CAST(pixels_sha256 AS VARCHAR)')}, TRY_CAST(pdq_quality AS INTEGER) FROM given"
            )
    connection.execute("DROP VIEW IF EXISTS given")


def _link_near(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    near: Near,
    file: PairFile,
    at: tuple[int, int],
    *,
    every: bool,
) -> None:
    """Links by near pairs with one set; `at` is its number, and the position of its first image in the file."""
    number, inputs = at
    size = inputs + count(connection, f"SELECT coalesce(max(__other), -1) + 1 FROM others WHERE __set = {number}")
    least = policy.alike.copies.min_quality if policy.alike and policy.alike.copies and near.rule == "copy" else 0
    connection.execute("CREATE TABLE near (l BIGINT, r BIGINT, d DOUBLE)")
    connection.execute("CREATE TABLE coded (place BIGINT, code BIGINT)")
    busy = np.zeros(max(size, 1), np.bool_)
    for left, right, distance in file.links(near.radius):
        give(connection, "given", table_of({"l": left, "r": right, "d": distance}))
        connection.execute("INSERT INTO near SELECT * FROM given")
        busy[left] = busy[right] = True
    if busy.any():
        codes = file.codes(size)
        places = np.flatnonzero(busy[codes])
        give(connection, "given", table_of({"place": places, "code": codes[places]}))
        connection.execute("INSERT INTO coded SELECT * FROM given")
        first = "__other" if every else "min(__other)"
        connection.execute(f"""
            INSERT INTO found
            WITH mine AS (
                SELECT place AS __position, code FROM coded JOIN records ON place = __position
                WHERE error IS NULL AND {_is_sure("__quality", least)}),
            theirs AS (
                SELECT {first} AS __other, code FROM coded JOIN others ON place = __other + {inputs}
                WHERE __set = {number} AND {_is_sure("__other_quality", least)} {"" if every else "GROUP BY code"})
            SELECT __position, {number}, __other, {DUPLICATE_RULES.index(near.rule)}, d
            FROM near JOIN mine ON mine.code = l JOIN theirs ON theirs.code = r
        """)
    connection.execute("DROP VIEW IF EXISTS given")
    for table in ("near", "coded"):
        connection.execute(f"DROP TABLE {table}")


def _is_sure(quality: str, least: int) -> str:
    """Whether a hash is good enough; the column is there only where a policy asks for more than bytes."""
    return f"coalesce({quality}, 0) >= {least}" if least else "true"
