"""Everything that is known about one image of a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.errors import InputError, UnknownImageError
from nemo_curator.pipeline.decide import policy_of, stored_recipe
from nemo_curator.pipeline.image_place import ids_of_place
from nemo_curator.pipeline.policy import without_lists
from nemo_curator.pipeline.scored import scored_partitions
from nemo_curator.runs.deciding import AN_ID_IS, Explanation, Policy, explain_row
from nemo_curator.runs.exporting import delivered_files
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lookup import ID, find_row
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.parts import read_part
from nemo_curator.runs.state import RunState
from nemo_curator.shards.names import with_name
from nemo_curator.shards.partitioning import Partition


@dataclass(frozen=True, slots=True)
class ExportedAs:
    """Where an image stands in a delivered data set.

    Attributes:
        output: The data set.
        shard: Its shard.
        key: Its key there.
        files: Names of its files there.
    """

    output: str
    shard: str
    key: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Everything known about one image.

    Attributes:
        image_id: Its id.
        partition_id: The partition that it was read in.
        location: What opens its shard or file.
        row: Its row of the part: identity, scores, error.
        decision: Its row of the decisions; None before a decision.
        undecided: Why there is none, a clause; "" where there is one.
        explanation: What every rule in force says about it, and which images share its bytes.
        exported: Where it was exported.
    """

    image_id: str
    partition_id: str
    location: str
    row: dict[str, Any]
    decision: dict[str, Any] | None
    undecided: str
    explanation: Explanation
    exported: tuple[ExportedAs, ...]


def explain(run: RunDirectory, image_id: str) -> ImageFacts:
    """Gather what a run knows about an image.

    Args:
        run: A scored run, decided or not.
        image_id: The image: its id, or else the path or URL at which it lies.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: It is not scored to its end.
        UnknownImageError: It has no such image; the nearest id is suggested.
    """
    state = RunState.require(run)
    ids = scored_partitions(run)
    partition, row = _find(run, image_id)
    image_id = str(row[ID])
    locations = {entry.path: entry.location for entry in partition.entries}
    decided = "funnel" in state.facts and storage.exists(run.decisions)
    return ImageFacts(
        image_id=image_id,
        partition_id=partition.id,
        location=locations.get(row["source"], ""),
        row=row,
        decision=find_row(run.decisions, image_id) if decided else None,
        undecided="" if decided else state.why_undecided,
        explanation=explain_row(run, ids, _policy(state), image_id),
        exported=tuple(_exported(state, image_id)),
    )


def _policy(state: RunState) -> Policy:
    """The policy in force; without its lists where their files are gone, because the decisions say who was listed."""
    recipe = stored_recipe(state)
    try:
        return policy_of(state, recipe)
    except InputError:
        return policy_of(state, without_lists(recipe))


def _find(run: RunDirectory, image_id: str) -> tuple[Partition, dict[str, Any]]:
    partitions = read_partitions(run)
    inside = image_id
    for wanted in itertools.chain([image_id], ids_of_place(image_id, partitions)):
        for one in dict.fromkeys([*_likely(partitions, wanted), *partitions]):
            row = find_row(run.part(one.id), wanted)
            if row is not None:
                return one, row
        inside = wanted
    raise UnknownImageError(
        f"this run has no image {image_id!r}", where=run.root, act=_suggestion(run, partitions, inside)
    )


def _likely(partitions: Sequence[Partition], image_id: str) -> Iterator[Partition]:
    """The partitions whose files the id begins like: they are looked at first."""
    for one in partitions:
        if any(image_id.startswith(with_name(entry.name, entry.path).partition(".")[0]) for entry in one.entries):
            yield one


def _suggestion(run: RunDirectory, partitions: Sequence[Partition], image_id: str) -> str:
    likely = list(_likely(partitions, image_id)) or list(partitions)
    for one in likely[:20]:  # a hint need not read a million rows
        try:
            close = get_close_matches(image_id, map(str, read_part(run, one.id, [ID])[ID].to_pylist()), n=1)
        except InputError:
            continue
        if close:
            return f"did you mean {close[0]!r}?"
    return AN_ID_IS


def _exported(state: RunState, image_id: str) -> Iterator[ExportedAs]:
    for facts in state.facts["exports"]:
        output = str(facts["output"])
        for name in delivered_files(output) or []:
            if not name.endswith(".parquet"):
                continue
            try:
                row = find_row(storage.join(output, name), image_id)
            except (OSError, pa.ArrowException):
                continue
            if row is not None:
                yield ExportedAs(output, str(row.get("shard") or name), str(row["key"]), tuple(row.get("files") or ()))
                break
