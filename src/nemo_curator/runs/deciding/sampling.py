"""The table `drawn`: which of the images that are left belong to the sample."""

from __future__ import annotations

import math
from fractions import Fraction

import duckdb

from nemo_curator.runs.deciding.metadata_keys import column_sql
from nemo_curator.runs.deciding.policy import Policy, Sample


def draw(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Make the table `drawn` of positions, exactly as many as the sample asks for (or all, where there are fewer).

    Each copy learns (`__lost`) whether the image that stands for it is outside.

    Allowed images are drawn first. What is then still wanted is divided among the values of `by` in proportion, by
    largest remainder, the remainders of equal size in the order of the values. Inside one value the order is that of
    MD5 over seed and id: it depends on nothing else, and a larger sample contains the smaller.
    """
    sample = policy.sample
    if sample is None:
        return
    stratum = column_sql(sample.by) if sample.by else "NULL"
    connection.execute(f"""
        CREATE TABLE remaining AS
        SELECT __position, __allowed, {stratum} AS stratum,
               CAST('0x' || md5({sample.seed} || ':' || image_id) AS UHUGEINT) AS lot
        FROM records JOIN judged USING (__position) ANTI JOIN copies USING (__position) WHERE __alive
    """)
    row = connection.execute("SELECT count(*), count(*) FILTER (__allowed) FROM remaining").fetchone()
    total, allowed = (int(value) for value in row or (0, 0))
    wanted = min(size(sample, total), total)
    connection.execute(f"""
        CREATE TABLE drawn AS
        WITH strata AS (
            SELECT __allowed, stratum, count(*) AS images,
                   CAST(if(__allowed, {min(wanted, allowed)}, {max(wanted - allowed, 0)}) AS HUGEINT) AS wanted,
                   CAST(if(__allowed, {allowed}, {total - allowed}) AS HUGEINT) AS total
            FROM remaining GROUP BY __allowed, stratum),
        shared AS (SELECT *, wanted * images // total AS whole, wanted * images % total AS remainder FROM strata),
        ordered AS (
            SELECT *, wanted - sum(whole) OVER (PARTITION BY __allowed) AS over,
                   row_number() OVER (PARTITION BY __allowed ORDER BY remainder DESC, stratum NULLS LAST) AS place
            FROM shared),
        numbered AS (
            SELECT __position, __allowed, stratum, row_number() OVER (
                PARTITION BY __allowed, stratum ORDER BY lot, __position) AS number
            FROM remaining)
        SELECT __position FROM numbered JOIN ordered
            ON numbered.__allowed = ordered.__allowed AND numbered.stratum IS NOT DISTINCT FROM ordered.stratum
        WHERE number <= whole + if(place <= over, 1, 0) ORDER BY __position
    """)
    connection.execute("DROP TABLE remaining")
    connection.execute("""
        CREATE TABLE followed AS
        SELECT copies.*, drawn.__position IS NULL AS __lost FROM copies LEFT JOIN drawn ON __best = drawn.__position
        ORDER BY copies.__position
    """)
    connection.execute("DROP TABLE copies")
    connection.execute("ALTER TABLE followed RENAME TO copies")


def size(sample: Sample, total: int) -> int:
    """Images that a sample asks for of so many; half an image counts as one."""
    if sample.n is not None:
        return sample.n
    return math.floor(Fraction(repr(float(sample.share or 0))) * total + Fraction(1, 2))
