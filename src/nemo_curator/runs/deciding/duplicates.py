"""The table `copies`: images whose bytes equal those of a better one, and which one that is."""

from __future__ import annotations

import duckdb

from nemo_curator.runs.deciding.policy import Policy


def find_copies(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Make the table `copies`: position, position and id of the image that stands for it.

    Of equal images the best stays: an allowed one, then the one where `prefer` is largest, then the smaller id. Only
    images that nothing has rejected stand for others. Most images have no copy, so that hashes are counted first.
    """
    if not policy.duplicate_bytes:
        connection.execute("CREATE TABLE copies (__position BIGINT, __best BIGINT, __best_id VARCHAR)")
        return
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
            FROM candidates JOIN judged USING (__position) WHERE __alive
            WINDOW best AS (PARTITION BY __sha ORDER BY __allowed DESC, {preference}image_id))
        FROM grouped WHERE __best <> __position ORDER BY __position
    """)
    connection.execute("DROP TABLE repeated")
