"""The table `copies`: images that duplicate a better one, which one that is, and how."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import duckdb

from nemo_curator.runs.deciding.look_alikes import find_alike
from nemo_curator.runs.deciding.others import unless_earlier
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.pairing.pair_file import PairFile

_NONE: Mapping[str, PairFile] = MappingProxyType({})
_TABLE = "(__position BIGINT, __best BIGINT, __best_id VARCHAR, __way INTEGER, __apart DOUBLE)"


def find_copies(connection: duckdb.DuckDBPyConnection, policy: Policy, pairs: Mapping[str, PairFile] = _NONE) -> None:
    """Make the table `copies`: position, position and id of the image that stands for it, by what, and how far apart.

    The best stays: an allowed one, then the one where `prefer` is largest, then the smaller id. Only images that
    nothing has rejected stand for others. What an earlier run's image stands for (`__best` is NULL) stands for none.

    Args:
        connection: A database with `records`, `judged`, and `earlier` where the policy has earlier runs.
        policy: How to decide.
        pairs: Kind of pairs to their file, of those that the policy needs.
    """
    if not policy.within:
        connection.execute(f"CREATE TABLE copies {_TABLE}")
    elif policy.alike:
        find_alike(connection, policy, policy.alike, pairs)
    elif policy.duplicate_bytes:
        _find_equal(connection, policy)
    else:
        connection.execute(f"CREATE TABLE copies {_TABLE}")
    if policy.against:
        connection.execute("INSERT INTO copies SELECT __position, NULL, __best_id, __way, __apart FROM earlier")


def _find_equal(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Of equal bytes alone. Most images have no copy, so that hashes are counted first."""
    connection.execute("""
        CREATE TABLE repeated AS SELECT hash(__sha) AS hashed FROM records
        WHERE error IS NULL AND __sha IS NOT NULL GROUP BY hashed HAVING count(*) > 1
    """)
    preference = f"TRY({policy.prefer.sql({})}) DESC NULLS LAST, " if policy.prefer else ""
    connection.execute(f"""
        CREATE TABLE copies AS
        WITH candidates AS (
            SELECT * FROM records SEMI JOIN repeated ON hash(__sha) = hashed WHERE error IS NULL),
        grouped AS (
            SELECT __position, first_value(__position) OVER best AS __best, first_value(image_id) OVER best AS __best_id
            FROM candidates JOIN judged USING (__position) WHERE __alive{unless_earlier(policy)}
            WINDOW best AS (PARTITION BY __sha ORDER BY __allowed DESC, {preference}image_id))
        SELECT *, 0 AS __way, CAST(NULL AS DOUBLE) AS __apart FROM grouped WHERE __best <> __position
        ORDER BY __position
    """)
    connection.execute("DROP TABLE repeated")
