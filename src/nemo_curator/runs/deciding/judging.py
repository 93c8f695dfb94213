"""The table `judged`: what lists and rules say of every record, by itself."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from nemo_curator.runs.deciding.connection import count, give
from nemo_curator.runs.deciding.expressions import boolean, type_of
from nemo_curator.runs.deciding.figures import Figures, check_figures, unknown_figures
from nemo_curator.runs.deciding.id_lists import IdList
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.deciding.skipped import left_out_sql


def take_lists(connection: duckdb.DuckDBPyConnection, policy: Policy) -> dict[str, int]:
    """Make the tables `allow_list` and `deny_list`.

    Returns:
        List (`allow`, `deny`) to the number of its ids that the run does not have, where there are such.
    """
    unlisted = {}
    for which, listed in (("allow", policy.allow), ("deny", policy.deny)):
        if listed is None:
            continue
        missing = len(listed.ids) - _take_list(connection, which, listed)
        if missing:
            unlisted[which] = missing
    return unlisted


def _take_list(connection: duckdb.DuckDBPyConnection, which: str, listed: IdList) -> int:
    """How many of a list's ids the run has."""
    give(connection, "given", pa.Table.from_arrays([listed.ids], names=["image_id"]))
    connection.execute(f"CREATE TABLE {which}_list AS SELECT image_id FROM given")
    return count(connection, f"SELECT count(*) FROM records WHERE {_in_list(which)}")


def check_rules(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Make sure that every expression of a policy can be evaluated on the columns of `records`.

    Raises:
        RecipeError: One cannot, or is no boolean.
    """
    check_figures(connection, policy.rules)
    if policy.prefer:
        type_of(connection, policy.prefer, policy.prefer.sql({}))
    _conditions(connection, policy, unknown_figures(policy.rules))


def judge(connection: duckdb.DuckDBPyConnection, policy: Policy, known: Figures) -> None:
    """Make the table `judged`: `__rule_0` … (true, false, NULL), the first that is true, its figures, and the lists.

    Beside them stands `__left_out_0` …: whether a lazy scoring left out what `policy.skipped` says.

    Rules are not asked about quarantined images (there is nothing to ask about) and allowed ones (no answer counts).
    What a list of known images has, or shows an image of a protect set, is allowed by nothing.
    """
    conditions = _conditions(connection, policy, known)
    answers = "".join(f", CASE WHEN __asked THEN {sql} END AS __rule_{at}" for at, sql in enumerate(conditions))
    first = "".join(f" WHEN __rule_{at} THEN {at}" for at in range(len(conditions)))
    columns = "".join(f", __rule_{at}" for at in range(len(conditions)))
    compared = [rule.comparison(known.quantiles, known.ranks) or ("NULL", "NULL") for rule in policy.rules]
    denied = _in_list("deny") if policy.deny else "false"
    allowed = _in_list("allow") if policy.allow else "false"
    known_bad = "__position IN (SELECT __position FROM known)" if policy.known_bad else "false"
    leak = "__position IN (SELECT __position FROM leaks)" if policy.protect else "false"
    gone = (left_out_sql(connection, policy, one) for one in policy.skipped)
    columns += "".join(f", ({sql}) AS __left_out_{at}" for at, sql in enumerate(gone))
    connection.execute(f"""
        CREATE TABLE judged AS
        WITH listed AS (
            SELECT *, error IS NULL AND {known_bad} AS __known, error IS NULL AND {leak} AS __leak,
                   error IS NULL AND {denied} AS __denied, error IS NULL AND {allowed} AS __listed
            FROM records{known.joins}),
        barred AS (SELECT *, __known OR __leak OR __denied AS __barred FROM listed),
        open AS (
            SELECT *, __listed AND NOT __barred AS __allowed,
                   error IS NULL AND NOT (__listed AND NOT __barred) AS __asked FROM barred),
        answered AS (SELECT *{answers} FROM open),
        matched AS (SELECT *, CAST({f"CASE{first} END" if first else "NULL"} AS INTEGER) AS __first FROM answered)
        SELECT __position, __known, __leak, __denied, __allowed, __asked, __first,
               error IS NULL AND NOT __barred AND __first IS NULL AS __alive,
               CAST({_of_first([score for score, _ in compared])} AS DOUBLE) AS __score,
               CAST({_of_first([threshold for _, threshold in compared])} AS DOUBLE) AS __threshold{columns}
        FROM matched
    """)


def _of_first(values: list[str]) -> str:
    """One of several expressions, by the number of the first rule that matched."""
    cases = "".join(f" WHEN {at} THEN TRY(CAST({sql} AS DOUBLE))" for at, sql in enumerate(values))
    return f"CASE WHEN NOT __barred THEN CASE __first{cases} END END" if cases else "NULL"


def _conditions(connection: duckdb.DuckDBPyConnection, policy: Policy, known: Figures) -> list[str]:
    typed = unknown_figures(policy.rules)
    return [
        boolean(connection, rule, rule.sql(known.quantiles, known.ranks), rule.sql(known.quantiles, typed.ranks))
        for rule in policy.rules
    ]


def _in_list(which: str) -> str:
    return f"image_id IN (SELECT image_id FROM {which}_list)"
