"""What decisions say about one image, and why: every rule with its figures, and the images that share its bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator import storage
from nemo_curator.errors import InputError
from nemo_curator.runs.deciding.computed import is_computed
from nemo_curator.runs.deciding.connection import connected, lock
from nemo_curator.runs.deciding.expressions import evaluating
from nemo_curator.runs.deciding.figures import Figures, figures
from nemo_curator.runs.deciding.judging import check_rules, take_lists
from nemo_curator.runs.deciding.known_bad import KnownMatch, known_lists
from nemo_curator.runs.deciding.metadata_keys import column_sql
from nemo_curator.runs.deciding.policy import Policy
from nemo_curator.runs.deciding.records import load
from nemo_curator.runs.deciding.skipped import left_out_sql
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.parquet import open_parquet

AN_ID_IS = (
    "an id is the shard's path without its extension and the key, or a loose file's path, both relative to the input"
)
"""What to say of an id that is none."""


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What one rule says about one image.

    Attributes:
        name: The rule.
        text: Its expression as written.
        matches: True where it rejects, False where it does not, None where it came out NULL.
        score: The value that it looks at, where it is one comparison with a constant.
        threshold: What that value is compared with; quantiles as numbers.
        left_out: Whether it reads a score that a lazy scoring left out for the image.
    """

    name: str
    text: str
    matches: bool | None
    score: float | None
    threshold: float | None
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a policy makes of one image.

    Attributes:
        image_id: The image.
        error: Error code of an unreadable image, which no rule is asked about; else None.
        listed: Lists that name it: `deny`, `allow`.
        known: Lists of known images that have it, in recipe order, each with the hash that matches.
        rules: Every rule's answer, in recipe order. Lists have no say in them.
        duplicate_of: The kept image that it duplicates, by the decisions that stand; None where it duplicates none, or
            nothing is decided yet.
        duplicates: Images that duplicate it, or the same one as it does, by the decisions that stand; in source order.
        computed: What the policy reads of it that is computed when deciding: keys of the metadata by their written
            names, `caption_frequency`.
    """

    image_id: str
    error: str | None
    listed: tuple[str, ...]
    known: tuple[KnownMatch, ...]
    rules: tuple[RuleAnswer, ...]
    duplicate_of: str | None
    duplicates: tuple[str, ...]
    computed: Mapping[str, Any] = field(default_factory=dict)


def explain_row(run: RunDirectory, partition_ids: Sequence[str], policy: Policy, image_id: str) -> Explanation:
    """Ask every rule of a policy about one image, with quantiles and ranks of the whole run.

    Args:
        run: The run; it need not be decided, and nothing is written.
        partition_ids: Its partitions, in source order; all must be done.
        policy: The rules.
        image_id: The image.

    Raises:
        InputError: The run has no such image, or a part is missing or damaged.
        RecipeError: A rule cannot be evaluated on these columns.
    """
    with connected() as connection:
        load(connection, run, partition_ids, policy)
        lock(connection)
        check_rules(connection, policy)
        take_lists(connection, policy)
        found = connection.execute("SELECT error FROM records WHERE image_id = $1", [image_id]).fetchone()
        if found is None:
            raise InputError(
                f"the run has no image {image_id!r}",
                where=run.root,
                act=AN_ID_IS,
            )
        error: str | None = found[0]
        with evaluating():
            rules = _answers(connection, policy, figures(connection, policy.rules), image_id) if error is None else ()
        computed = _computed(connection, policy, image_id)
        known = known_lists(connection, policy, image_id)
    lists = (("deny", policy.deny), ("allow", policy.allow))
    listed = tuple(which for which, ids in lists if ids and pc.index(ids.ids, image_id).as_py() >= 0)
    duplicate_of, duplicates = _sharing(run, image_id)
    return Explanation(image_id, error, listed, known, rules, duplicate_of, duplicates, computed)


def _computed(connection: duckdb.DuckDBPyConnection, policy: Policy, image_id: str) -> dict[str, Any]:
    names = sorted(filter(is_computed, policy.columns))
    if not names:
        return {}
    columns = ", ".join(map(column_sql, names))
    row = connection.execute(f"SELECT {columns} FROM records WHERE image_id = $1", [image_id]).fetchone() or ()
    return dict(zip(names, row, strict=True))


def _answers(
    connection: duckdb.DuckDBPyConnection, policy: Policy, known: Figures, image_id: str
) -> tuple[RuleAnswer, ...]:
    if not policy.rules:
        return ()
    asked: list[str] = []
    for rule in policy.rules:
        compared = rule.comparison(known.quantiles, known.ranks) or ("NULL", "NULL")
        asked.append(f"TRY({rule.sql(known.quantiles, known.ranks)})")
        asked += [f"TRY(CAST({sql} AS DOUBLE))" for sql in compared]
        gone = [left_out_sql(connection, policy, one) for one in policy.skipped if one.columns & rule.columns]
        asked.append(" OR ".join(f"({sql})" for sql in gone) or "false")
    query = f"SELECT {', '.join(asked)} FROM records{known.joins} WHERE image_id = $1"
    values: tuple[Any, ...] = connection.execute(query, [image_id]).fetchone() or ()
    return tuple(RuleAnswer(rule.name, rule.text, *values[4 * at : 4 * at + 4]) for at, rule in enumerate(policy.rules))


def _sharing(run: RunDirectory, image_id: str) -> tuple[str | None, tuple[str, ...]]:
    """(the image that it duplicates, all others that duplicate the same image or it), from the decisions."""
    if not storage.exists(run.decisions):
        return None, ()
    found = _matching(run, "image_id", image_id, "duplicate_of")
    best = next(iter(found), None)
    sharing = _matching(run, "duplicate_of", best or image_id, "image_id")
    return best, tuple(str(one) for one in sharing if one != image_id)


def _matching(run: RunDirectory, column: str, value: str, wanted: str) -> list[str | None]:
    """One column of the decisions where another one has a value, reading a row group at a time."""
    found: list[str | None] = []
    with open_parquet(run.decisions) as parquet:
        for batch in parquet.iter_batches(columns=[column, wanted]):
            rows = batch.filter(pc.equal(batch[column], pa.scalar(value, pa.string())))
            found += rows[wanted].to_pylist()
    return found
