"""The tables of what the images of a run share with images of elsewhere: `leaks` and `earlier`.

Images of elsewhere stay whatever is like them, so that nothing has to be resolved: an image that is linked to one is
what it is, and stands for no other.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from nemo_curator.runs.arrow_arrays import table_of
from nemo_curator.runs.deciding.connection import count, give, text
from nemo_curator.runs.deciding.near import Near, near_kinds
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.deciding.records import SHA_SQL, pixels_sql
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES
from nemo_curator.runs.elsewhere import OtherSet, Role
from nemo_curator.runs.pairing.pair_file import Between, PairFile
from nemo_curator.runs.row_groups import row_groups

Ints = npt.NDArray[np.int64]

MOST_LINKS = 100
"""Images of one protect set that are written down as shown by one image, the nearest of them."""

_EXACT = {
    0: ("__sha", "sha256", SHA_SQL),
    1: ("__pixels", "pixels_sha256", pixels_sql("CAST(pixels_sha256 AS VARCHAR)")),
}
"""Number of an exact way to our column, theirs, and SQL that makes of theirs what ours is."""

_AT_ONCE = 1 << 18  # hashes of elsewhere that are looked for together

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
    inputs = count(connection, "SELECT count(*) FROM records")
    connection.execute("CREATE TABLE equal (__position BIGINT, __set INTEGER, __other BIGINT, __way INTEGER)")
    connection.execute("CREATE TABLE near (__set INTEGER, __way INTEGER, l BIGINT, r BIGINT, d DOUBLE)")
    connection.execute("CREATE TABLE coded (__set INTEGER, __way INTEGER, place BIGINT, code BIGINT)")
    connection.execute(
        "CREATE TABLE others (__set INTEGER, __other BIGINT, __best_id VARCHAR, __other_quality INTEGER)"
    )
    every = role == "protect"
    ways = {DUPLICATE_RULES.index(rule) for rule in policy.duplicate_rules} | ({0} if every else set())
    near = near_kinds(policy.alike) if policy.alike else ()
    for number, other in enumerate(others):
        for way in sorted(ways & _EXACT.keys()):
            _take_equal(connection, number, other, way, most=MOST_LINKS if every else 1)
        places = [_take_near(connection, number, other, kind, pairs[other.key][kind.pairs], inputs) for kind in near]
        _take_linked(connection, number, other, np.concatenate([np.empty(0, np.int64), *places]))
    one, groups = ("__other", "") if every else ("min(__other) AS __other", "GROUP BY __position, __set, __way")
    connection.execute(
        f"CREATE TABLE found AS SELECT __position, __set, {one}, __way, CAST(NULL AS DOUBLE) AS __apart "
        f"FROM equal {groups}"
    )
    for kind in near:
        _link_near(connection, policy, kind, inputs, every=every)
    connection.execute("""
        CREATE TABLE links AS SELECT found.*, __best_id FROM found JOIN others USING (__set, __other)
        QUALIFY row_number() OVER (PARTITION BY __position, __set, __other ORDER BY __way, __apart) = 1
    """)
    for table in ("equal", "near", "coded", "others", "found"):
        connection.execute(f"DROP TABLE {table}")


def _take_equal(connection: duckdb.DuckDBPyConnection, number: int, other: OtherSet, way: int, *, most: int) -> None:
    """Add to the table `equal` the images of a set that have the bytes or the pixels of one of ours.

    Of those that are read together, `most` for each value: thousands of equal ones on both sides must not be millions.
    Most are left out by their text, which is read; only of what is left are the bytes made.
    """
    ours, theirs, value = _EXACT[way]
    for table in row_groups(other.tables([theirs]), _AT_ONCE):
        give(connection, "given", table)
        connection.execute(f"""
            INSERT INTO equal SELECT __position, {number}, place, {way} FROM records JOIN (
                SELECT place, {value} AS same FROM given
                WHERE lower({theirs}) IN (SELECT lower(hex({ours})) FROM records WHERE error IS NULL)
                   OR length({theirs}) <> 64
                QUALIFY row_number() OVER (PARTITION BY same ORDER BY place) <= {most}
            ) ON {ours} = same WHERE error IS NULL
        """)
    connection.execute("DROP VIEW IF EXISTS given")


def _take_near(
    connection: duckdb.DuckDBPyConnection, number: int, other: OtherSet, near: Near, file: PairFile, inputs: int
) -> Ints:
    """Add to the table `near` the pairs with a set, and to `coded` what stands for each image in them.

    Args:
        connection: The database.
        number: Of the set.
        other: The set.
        near: What kind of pairs.
        file: They themselves.
        inputs: Images of the run: those of the set are counted from there on.

    Returns:
        Places of the images of the set that are in a pair.
    """
    size, way = inputs + len(other.counted), DUPLICATE_RULES.index(near.rule)
    busy = np.zeros(max(size, 1), np.bool_)
    for left, right, distance in file.links(near.radius):
        give(connection, "given", table_of({"l": left, "r": right, "d": distance}))
        connection.execute(f"INSERT INTO near SELECT {number}, {way}, l, r, d FROM given")
        busy[left] = busy[right] = True
    if not busy.any():
        return np.empty(0, np.int64)
    codes = file.codes(size)
    places = np.flatnonzero(busy[codes])
    give(connection, "given", table_of({"place": places, "code": codes[places]}))
    connection.execute(f"INSERT INTO coded SELECT {number}, {way}, place, code FROM given")
    connection.execute("DROP VIEW given")
    return places[places >= inputs] - inputs


def _take_linked(connection: duckdb.DuckDBPyConnection, number: int, other: OtherSet, near: Ints) -> None:
    """Add to the table `others` the images of a set that one of ours is equal or near to; the rest is not read."""
    equal = connection.sql(f"SELECT DISTINCT __other FROM equal WHERE __set = {number}").to_arrow_table()["__other"]
    places = np.unique(np.concatenate([near, equal.to_numpy()]))
    for table in row_groups(other.tables(["image_id", "pdq_quality"], places), _AT_ONCE):
        give(connection, "given", table)
        connection.execute(
            f"INSERT INTO others SELECT {number}, place, {text(f'{other.name}:')} || image_id, "
            "TRY_CAST(pdq_quality AS INTEGER) FROM given"
        )
    connection.execute("DROP VIEW IF EXISTS given")


def _link_near(connection: duckdb.DuckDBPyConnection, policy: Policy, near: Near, inputs: int, *, every: bool) -> None:
    """Add to the table `found` the links by near pairs of one kind, with all sets."""
    least = policy.alike.copies.min_quality if policy.alike and policy.alike.copies and near.rule == "copy" else 0
    way = DUPLICATE_RULES.index(near.rule)
    connection.execute(f"""
        INSERT INTO found
        WITH mine AS (
            SELECT __set, place AS __position, code FROM coded JOIN records ON place = __position
            WHERE __way = {way} AND error IS NULL AND {_is_sure("__quality", least)}),
        theirs AS (
            SELECT __set, {"__other" if every else "min(__other) AS __other"}, code
            FROM (SELECT __set, place - {inputs} AS __other, code FROM coded WHERE __way = {way})
            JOIN others USING (__set, __other) WHERE {_is_sure("__other_quality", least)}
            {"" if every else "GROUP BY __set, code"})
        SELECT __position, near.__set, __other, {way}, d
        FROM near JOIN mine ON near.__set = mine.__set AND l = mine.code
        JOIN theirs ON near.__set = theirs.__set AND r = theirs.code WHERE near.__way = {way}
    """)


def _is_sure(quality: str, least: int) -> str:
    """Whether a hash is good enough; the column is there only where a policy asks for more than bytes."""
    return f"coalesce({quality}, 0) >= {least}" if least else "true"
