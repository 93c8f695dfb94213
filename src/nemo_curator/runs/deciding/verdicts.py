"""One verdict an input, in source order: the rows of `decisions.parquet`, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate

import duckdb
import pyarrow as pa

from nemo_curator.runs.deciding.connection import text
from nemo_curator.runs.deciding.known_bad import name_sql, reason_sql, unknown_sql
from nemo_curator.runs.deciding.policy import Alike, Policy, Sample, Split
from nemo_curator.runs.deciding.rules import DUPLICATE_RULES, PROTECT
from nemo_curator.runs.deciding.skipped import unasked_sql

_COLUMNS: dict[str, pa.DataType] = {
    "image_id": pa.string(),
    "verdict": pa.string(),
    "rule": pa.string(),
    "reason": pa.string(),
    "score": pa.float64(),
    "threshold": pa.float64(),
    "duplicate_of": pa.string(),
    "split": pa.string(),
    "undecided": pa.list_(pa.string()),
}
SCHEMA = pa.schema(_COLUMNS)
ROW_GROUP = 131_072
"""Rows of a row group; fixed, so that the file does not depend on how rows came."""


def verdicts(connection: duckdb.DuckDBPyConnection, policy: Policy, inputs: int) -> Iterator[pa.Table]:
    """The verdicts of all inputs, one table a row group: no more strings than those of one are ever held."""
    for start in range(0, inputs, ROW_GROUP):
        rows = connection.sql(_verdict_sql(policy, start, start + ROW_GROUP))
        yield rows.to_arrow_table().cast(SCHEMA)


def _verdict_sql(policy: Policy, start: int, stop: int) -> str:
    """Verdicts of the records from `start` up to `stop`. `__end` says what became of a record, in one word."""
    span = f"__position >= {start} AND __position < {stop}"
    in_sample = f"LEFT JOIN (SELECT *, true AS __drawn FROM drawn WHERE {span}) USING (__position)"
    drawn = in_sample if policy.sample else ""
    bad = policy.known_bad
    listed = f"LEFT JOIN (SELECT * FROM known WHERE {span}) USING (__position)" if bad else ""
    listed_score = "WHEN 'known' THEN __distance" if bad else ""
    leaking = f"LEFT JOIN (SELECT * FROM leaks WHERE {span}) USING (__position)" if policy.protect else ""
    leak_score = "WHEN 'leak' THEN __leak_apart" if policy.protect else ""
    leak_radius = f"WHEN 'leak' THEN {_radius(policy, '__leak_way')}" if policy.protect else ""
    leak_of = "WHEN 'leak' THEN __leak_id" if policy.protect else ""
    score = f"CASE __end WHEN 'alike' THEN __apart {listed_score} {leak_score} ELSE __score END"
    radius = f"if(__distance IS NOT NULL, {bad.distance}, NULL)" if bad else "NULL"
    listed_radius = f"WHEN 'known' THEN {radius}" if bad else ""
    threshold = f"CASE __end WHEN 'alike' THEN {_radius(policy)} {listed_radius} {leak_radius} ELSE __threshold END"
    outside = "NOT coalesce(__drawn, false)" if policy.sample else "false"
    best_outside = "__lost" if policy.sample else "false"
    return f"""
        WITH joined AS (
            SELECT * FROM (SELECT * FROM records WHERE {span})
            JOIN (SELECT * FROM judged WHERE {span}) USING (__position)
            LEFT JOIN (SELECT * FROM copies WHERE {span}) USING (__position) {drawn} {listed} {leaking}),
        ended AS (
            SELECT *, CASE
                WHEN error IS NOT NULL THEN 'quarantine'
                WHEN __known THEN 'known'
                WHEN __leak THEN 'leak'
                WHEN __denied THEN 'deny'
                WHEN __first IS NOT NULL THEN 'rule'
                WHEN __best IS NOT NULL AND {best_outside} THEN 'copy of sample'
                WHEN __best_id IS NOT NULL THEN 'alike'
                WHEN {outside} THEN 'sample'
                WHEN __allowed THEN 'allow' END AS __end FROM joined)
        SELECT image_id,
            CASE WHEN __end IN ('known', 'leak', 'deny', 'rule', 'sample', 'copy of sample') THEN 'reject'
                 WHEN __end = 'alike' THEN 'duplicate'
                 WHEN __end = 'quarantine' THEN __end ELSE 'keep' END AS verdict,
            CASE __end WHEN 'rule' THEN {_of_rule([rule.name for rule in policy.rules])}
                 WHEN 'known' THEN {name_sql(bad) if bad else "NULL"}
                 WHEN 'leak' THEN {text(PROTECT)}
                 WHEN 'alike' THEN {_of_way([text(one) for one in DUPLICATE_RULES])}
                 WHEN 'copy of sample' THEN 'sample' WHEN 'quarantine' THEN NULL ELSE __end END AS rule,
            CASE __end {_reasons(policy)} END AS reason,
            {score} AS score,
            {threshold} AS threshold,
            CASE __end WHEN 'alike' THEN __best_id {leak_of} END AS duplicate_of,
            CASE WHEN __end IS NULL OR __end = 'allow' THEN {_side(policy.split)} END AS split,
            {_undecided(policy)} AS undecided
        FROM ended ORDER BY __position
    """


def _reasons(policy: Policy) -> str:
    listed = {
        which: text(f"listed in {ids.name}") for which, ids in (("allow", policy.allow), ("deny", policy.deny)) if ids
    }
    cases = [f"WHEN '{which}' THEN {reason}" for which, reason in listed.items()]
    sample = f"drawn for {_sample_text(policy.sample)}"
    outside = text(f", which was not {sample}")
    alike = _alike(policy)
    leak = f"WHEN 'leak' THEN 'a protected image: ' || {_alike(policy, '__leak')}" if policy.protect else ""
    earlier = "if(__best IS NULL, ', which an earlier run kept', '')"
    return " ".join(
        [
            *cases,
            f"WHEN 'known' THEN {reason_sql(policy.known_bad) if policy.known_bad else 'NULL'}",
            "WHEN 'quarantine' THEN concat_ws(': ', error, error_detail)",
            f"WHEN 'rule' THEN {_of_rule([rule.text for rule in policy.rules])}",
            leak,
            f"WHEN 'alike' THEN {alike}{f' || {earlier}' if policy.against else ''}",
            f"WHEN 'sample' THEN {text(f'not {sample}')}",
            f"WHEN 'copy of sample' THEN {alike} || {outside}",
        ]
    )


def _alike(policy: Policy, which: str = "") -> str:
    """In words, how an image is like the one that it duplicates; or, with `__leak`, the protected one that it shows."""
    best, way, apart = (f"{which}_id", f"{which}_way", f"{which}_apart") if which else ("__best_id", "__way", "__apart")
    turned = policy.alike and policy.alike.copies and policy.alike.copies.turned
    hashes = "its PDQ hash, as it stands or turned," if turned else "its PDQ hash"
    return _of_way(
        [
            f"'its bytes equal those of ' || {best}",
            f"'its pixels equal those of ' || {best}",
            f"'{hashes} is ' || CAST({apart} AS INTEGER) || ' of 256 bits from that of ' || {best}",
            f"'its embedding has a cosine of ' || printf('%.4f', 1 - {apart}) || ' to that of ' || {best}",
        ],
        way,
    )


def _radius(policy: Policy, way: str = "__way") -> str:
    """Distance up to which a duplicate may be from the image that it duplicates; NULL where they are equal."""
    alike = policy.alike or Alike()
    copies = str(alike.copies.distance) if alike.copies else "NULL"
    similar = "NULL" if alike.similar is None else repr(alike.similar)
    return _of_way(["NULL", "NULL", f"CAST({copies} AS DOUBLE)", f"CAST({similar} AS DOUBLE)"], way)


def _of_way(values: list[str], way: str = "__way") -> str:
    """One of several expressions, by what makes a duplicate."""
    return f"CASE {way}{''.join(f' WHEN {at} THEN {value}' for at, value in enumerate(values))} END"


def _sample_text(sample: Sample | None) -> str:
    if sample is None:
        return ""
    return f"the sample of {sample.n}" if sample.n is not None else f"the sample of a share of {sample.share}"


def _of_rule(texts: list[str]) -> str:
    cases = "".join(f" WHEN {at} THEN {text(one)}" for at, one in enumerate(texts))
    return f"CASE __first{cases} END" if cases else "NULL"


def _side(split: Split | None) -> str:
    """The name of the share that an image falls into."""
    if split is None:
        return "CAST(NULL AS VARCHAR)"
    shares = [(part, Fraction(repr(float(share)))) for part, share in split.shares if share > 0]
    whole = sum((share for _, share in shares), Fraction(0))
    ends = list(accumulate(share / whole for _, share in shares))
    cases = "".join(
        f" WHEN __side < CAST('{float(end)!r}' AS DOUBLE) THEN {text(part)}"
        for (part, _), end in zip(shares[:-1], ends, strict=False)
    )
    last = text(shares[-1][0])
    return f"CASE{cases} ELSE {last} END" if cases else last


def _undecided(policy: Policy) -> str:
    """Names of the lists and rules that could not be asked, or came out NULL, in their order."""
    lists = policy.known_bad.lists if policy.known_bad else ()
    open_: list[tuple[str, str]] = [
        (one.name, f"error IS NULL AND NOT __known AND {unknown_sql(one)}")
        for one in lists
        if unknown_sql(one) != "false"
    ]
    open_ += [
        (rule.name, f"__asked AND __rule_{at} IS NULL AND NOT {unasked_sql(policy, rule)}")
        for at, rule in enumerate(policy.rules)
    ]
    if not open_:
        return "CAST(NULL AS VARCHAR[])"
    names = ", ".join(f"CASE WHEN {sql} THEN {text(one)} END" for one, sql in open_)
    some = " OR ".join(f"({sql})" for _, sql in open_)
    return f"CASE WHEN {some} THEN list_filter([{names}], lambda one: one IS NOT NULL) END"
