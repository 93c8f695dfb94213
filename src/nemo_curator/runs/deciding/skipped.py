"""What a lazy scoring left out must have no say in the verdicts: which columns that is about, and whether it is so.

ADR 0024 has the proof; `refuse_missing` is its second half, which asks the data.
"""

from __future__ import annotations

import duckdb

from nemo_curator.errors import StaleScoresError
from nemo_curator.runs.deciding.connection import count, name
from nemo_curator.runs.deciding.policy import Policy, Skipped
from nemo_curator.runs.deciding.records import columns_of
from nemo_curator.runs.deciding.rules import Rule
from nemo_curator.runs.fingerprints import EMBEDDING

_SHOWN = 3  # columns and rules that a sentence names
_ACT = (
    "compute it with the recipe of now: `imagecurator score INPUT RUN --recipe FILE --rescore`, or `run --rescore`; or "
    "take back what changed"
)


def needed_of_all(policy: Policy) -> dict[str, str]:
    """Column that is needed of every image, whatever becomes of it, to who needs it.

    Quantiles and ranks are of all images; lists of known images and of protected ones come before the rules; pairs are
    found once for all radii. What chooses among duplicates, or draws a sample, is computed for all as well.
    """
    needed: dict[str, str] = {}
    for rule in policy.rules:
        for column in rule.figured:
            needed.setdefault(column, f"the rule {rule.name}")
    needed |= _searched(policy)
    needed |= dict.fromkeys(policy.known_bad.columns if policy.known_bad else (), "known_bad")
    needed |= dict.fromkeys(policy.prefer.columns if policy.prefer else (), "duplicates.prefer")
    for what, part in (("sample.by", policy.sample), ("split.by", policy.split)):
        if part and part.by:
            needed[part.by] = what
    return needed


def _searched(policy: Policy) -> dict[str, str]:
    """Column that duplicates are searched by, to the kind of duplicates."""
    kinds = policy.alike.needs.items() if policy.alike else ()
    searched = {column: key for key, (_, *columns) in kinds for column in columns}
    if policy.alike and policy.alike.similar is not None:
        searched[EMBEDDING] = "duplicates.similar"
    return searched


def refuse_search(policy: Policy, where: str) -> None:
    """Make sure, before any pair is searched for, that nothing is missing of what pairs are found by.

    A search that finds only some pairs must not be kept, so no row is looked at: that something may be missing will do.

    Args:
        policy: How to decide.
        where: What to call the run in an error.

    Raises:
        StaleScoresError: Something may be.
    """
    searched = _searched(policy)
    for skipped in policy.skipped:
        for column in sorted(skipped.columns & searched.keys()):
            raise StaleScoresError(
                f"a lazy scoring left {column} out for what {_rules(skipped)} rejects, and {searched[column]} needs it "
                "of every image",
                where=where,
                act=_ACT,
            )


def left_out_sql(connection: duckdb.DuckDBPyConnection, policy: Policy, skipped: Skipped) -> str:
    """SQL over `records` that is true for the images for which something was left out, and never NULL.

    Args:
        connection: A database with `records`, and `allow_list` where the policy has one.
        policy: How to decide.
        skipped: What was left out.
    """
    there = columns_of(connection, "records").keys()
    conditions = [f"{name(one)} IS NULL" for one in sorted(skipped.columns & there)]
    if skipped.certain and all(rule.columns <= there for rule in skipped.rules):
        answers = " OR ".join(f"coalesce(TRY({rule.sql({})}), false)" for rule in skipped.rules)
        conditions.append(f"({answers or 'false'})")
    if policy.allow and policy.allow.sha256 == skipped.allow:
        conditions.append("image_id NOT IN (SELECT image_id FROM allow_list)")
    return " AND ".join(["error IS NULL", *conditions])


def unasked_sql(policy: Policy, rule: Rule) -> str:
    """SQL over `judged` that is true for images which a rule could not be asked about, because of what was left out."""
    groups = [f"__left_out_{at}" for at, one in enumerate(policy.skipped) if one.columns & rule.columns]
    return f"({' OR '.join(groups)})" if groups else "false"


def refuse_missing(connection: duckdb.DuckDBPyConnection, policy: Policy, where: str) -> None:
    """Make sure that verdicts are those of a complete scoring.

    Whatever was left out for an image, it must be barred by a list, or be rejected by a rule that has no rule before it
    which reads what is missing; and what is needed of every image must be missing for none.

    Args:
        connection: A database with `records` and `judged`.
        policy: How to decide.
        where: What to call the run in an error.

    Raises:
        StaleScoresError: It is not so for some image.
    """
    needed = needed_of_all(policy)
    for at, skipped in enumerate(policy.skipped):
        users = sorted({needed[column] for column in skipped.columns & needed.keys()})
        reads = (number for number, rule in enumerate(policy.rules) if rule.columns & skipped.columns)
        reader = next(reads, len(policy.rules))
        settled = f"__known OR __leak OR __denied OR coalesce(__first < {reader}, false)"
        bad = f"FROM judged WHERE __left_out_{at}{'' if users else f' AND NOT ({settled})'}"
        missing = count(connection, f"SELECT count(*) {bad}")
        if missing:
            raise _missing(connection, skipped, missing, f"SELECT min(__position) {bad}", users, where)


def _missing(
    connection: duckdb.DuckDBPyConnection, skipped: Skipped, missing: int, first: str, users: list[str], where: str
) -> StaleScoresError:
    example = connection.execute(f"SELECT image_id FROM records WHERE __position = ({first})").fetchone()
    images = "1 image lacks" if missing == 1 else f"{missing:,} images lack"
    columns, rules = _listed(sorted(skipped.columns)), _rules(skipped)
    now = f"{_listed(users)} needs it of every image" if users else "by the rules of now it would count"
    one = repr(str(example[0])) if example else "''"
    return StaleScoresError(
        f"{images} {columns}, {one} for one, which a lazy scoring left out by {rules}; {now}",
        where=where,
        act=_ACT,
    )


def _rules(skipped: Skipped) -> str:
    return _listed([rule.text.strip() for rule in skipped.rules])


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
