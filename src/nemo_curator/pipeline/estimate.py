"""What a recipe will cost and give on an input: a small sample of it is really scored and decided, elsewhere."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from nemo_curator import storage
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.errors import StageError
from nemo_curator.pipeline.lazy import policy_on
from nemo_curator.pipeline.means import with_means
from nemo_curator.pipeline.others import check_others
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Planned, Read, Scored
from nemo_curator.pipeline.score_chain import score_chain
from nemo_curator.pipeline.score_plan import ScorePlan, newly_settled, plan_score
from nemo_curator.planning.drawing import Drawn, draw
from nemo_curator.planning.estimating import (
    Group,
    Range,
    Stratum,
    closing_seconds,
    parallelism,
    share,
    share_total,
    total,
)
from nemo_curator.planning.means import Asked
from nemo_curator.planning.numerics import to_measure
from nemo_curator.planning.recipe import Recipe, SampleSection
from nemo_curator.runs.deciding import Policy, decide
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.part_writer import STAGE_SECONDS, PartWriterStage
from nemo_curator.runs.parts import read_part
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.parquet import read_table
from nemo_curator.shards.sample_size import sample_bytes
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.stages.worker import MOST

_EACH_WORKER, _LEAST, _MOST = 64, 256, 4096  # records of a sample, where nobody says how many
_CLOSING = PartWriterStage("").name
_BLOCK = 512  # bytes of a tar's header, and what a file in it is filled up to


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a recipe comes to on an input.

    Attributes:
        sampled: Records that were looked at.
        shards_opened: Shards whose beginning was.
        shards: All shards.
        partitions: Partitions of the run.
        workers: Worker processes of the run; 0 for none.
        input_bytes: Bytes of the input.
        records: Records of the input.
        images_per_second: How fast they are scored.
        seconds: How long all of it takes.
        kept: Records that the rules keep.
        kept_share: Their share of all.
        output_bytes: Bytes of these as they are written.
        rejected: Rule to records of the sample that it rejects.
        quarantined: Error code to records of the sample.
        stages: Stage to its share of the time, the largest first.
        left_out: What is not in these numbers, in sentences.
    """

    sampled: int
    shards_opened: int
    shards: int
    partitions: int
    workers: int
    input_bytes: int
    records: Range
    images_per_second: Range
    seconds: Range
    kept: Range
    kept_share: Range
    output_bytes: Range
    rejected: Mapping[str, int]
    quarantined: Mapping[str, int]
    stages: Mapping[str, float]
    left_out: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return asdict(self)


def estimate(
    inputs: Sequence[str], recipe: Recipe, *, wanted: int | None = None, asked: Asked, watcher: Watcher
) -> Estimate:
    """Score a sample of some inputs as a run would, and say what all of them come to. Nothing of it stays.

    Args:
        inputs: As for a run.
        recipe: An effective recipe.
        wanted: Records to look at; 64 a worker by default, between 256 and 4,096.
        asked: What the user said of workers and memory.
        watcher: Told of the progress.

    Raises:
        CuratorError: As a run with these arguments.
        StageError: Nothing of the sample could be scored.
    """
    listing = list_inputs(inputs)
    with scratch_folder() as folder:
        run = RunDirectory(storage.join(folder, "run"))
        check_others(recipe, run, {})
        plan = with_means(plan_score(run, listing, recipe), recipe, asked)  # refuses what a run refuses
        settled = newly_settled(plan, recipe, listing, rescore=False, memory=asked.memory, watcher=watcher)
        if settled:
            plan = with_means(plan_score(run, listing, recipe, settled=settled), recipe, asked)
        workers = plan.means.shares.workers if plan.means is not None else 0
        if wanted is None:
            wanted = min(_MOST, max(_LEAST, _EACH_WORKER * workers))
        drawn = draw(listing.entries, wanted, max(1, workers), sample_bytes(to_measure(listing.entries)))
        seconds = _scored(plan, recipe, drawn, asked, watcher)
        return _estimated(plan, recipe, drawn, seconds, workers)


def _scored(
    plan: ScorePlan, recipe: Recipe, drawn: Drawn, asked: Asked, watcher: Watcher
) -> dict[str, Mapping[str, float]]:
    """Score the sample; partition to what the stages took for it."""
    tasks = [partition_task(one) for one in (*drawn.loose, *drawn.shards)]
    for task in tasks[len(drawn.loose) :]:
        task._metadata[MOST] = drawn.each
    config: dict[str, Any] = {"image_seconds": recipe.limits.seconds, "image_memory": recipe.limits.memory}
    config |= {name: value for name, value in asked.config.items() if value is not None}
    watcher.told(Planned(len(tasks), len(tasks), 0))  # of a shard a part is read: partitions are what can be counted

    def on_done(index: int, _: Any) -> None:
        errors = read_part(plan.run, tasks[index]._metadata["partition_id"], ["error"])["error"]
        watcher.told(Scored(1, {"keep": errors.null_count, "quarantine": len(errors) - errors.null_count}))

    executor = LocalExecutor(
        config,
        progress=lambda _, records: watcher.told(Read(records)),
        on_done=on_done,
        on_event=watcher.told,
    )
    results = executor.execute(score_chain(plan.run, plan.scoring, recipe), tasks)
    return {one._metadata["partition_id"]: one._metadata.get(STAGE_SECONDS, {}) for one in results}


def _estimated(
    plan: ScorePlan, recipe: Recipe, drawn: Drawn, taken: Mapping[str, Mapping[str, float]], workers: int
) -> Estimate:
    policy = policy_on(plan.scoring, recipe, None)
    funnel = decide(plan.run, [one.id for one in (*drawn.loose, *drawn.shards)], _of_single_images(policy))
    strata = _strata(plan, drawn, _groups(plan.run, drawn, taken, recipe.export.format))
    records, written = total(strata, lambda one: one.records), total(strata, lambda one: one.written)
    if not records.value:
        raise StageError(
            "there is no record in the sample",
            cause="the shards that were looked at are empty, or damaged at their beginning",
            act="look at a larger one with `--sample N`",
        )
    found = {"hits": funnel.kept, "tries": funnel.inputs}
    kept = share_total(strata, lambda one: one.kept, records, **found)
    output = share_total(strata, lambda one: one.kept_written, written, **found)
    at_once = parallelism((one.size for one in plan.partitions), max(1, workers))
    working, closing = total(strata, lambda one: one.seconds), closing_seconds(strata, len(plan.partitions))
    time = Range(*(one + closing for one in (working.value, working.low, working.high))).scaled(1 / at_once)
    stages: Counter[str] = Counter()
    for seconds in taken.values():
        stages.update(seconds)
    stages[_CLOSING] = 0
    stages.update({_CLOSING: closing * funnel.inputs / records.value})  # as much as they would have of a whole run
    return Estimate(
        sampled=funnel.inputs,
        shards_opened=len(drawn.shards),
        shards=sum(entry.is_shard for one in plan.partitions for entry in one.entries),
        partitions=len(plan.partitions),
        workers=workers,
        input_bytes=sum(one.size for one in plan.partitions),
        records=records,
        images_per_second=_speed(records.value, time),
        seconds=time,
        kept=_drawn_from(kept, recipe.sample, kept.value),
        kept_share=share(strata, lambda one: one.kept, **found),
        output_bytes=_drawn_from(output, recipe.sample, kept.value),
        rejected=funnel.rejected,
        quarantined=funnel.quarantined,
        stages={stage: taken / (stages.total() or 1) for stage, taken in stages.most_common()},
        left_out=tuple(_left_out(policy)),
    )


def _speed(records: float, time: Range) -> Range:
    return Range(*(records / max(seconds, 1e-9) for seconds in (time.value, time.high, time.low)))


def _of_single_images(policy: Policy) -> Policy:
    """The policy without what needs more than a sample of the images."""
    return replace(policy, duplicate_bytes=False, alike=None, protect=(), against=(), sample=None, split=None)


def _left_out(policy: Policy) -> Iterator[str]:
    if policy.duplicate_rules or policy.protect:
        yield "duplicates and protected images cannot be seen in a sample: they come off the output"
    whole = [rule.name for rule in policy.rules if not rule.of_one_row]
    if whole:
        yield f"{', '.join(whole)} stand on all images, and were asked of the sample alone"


def _drawn_from(found: Range, sample: SampleSection | None, kept: float) -> Range:
    """What is left of something when the recipe draws a sample from what is kept."""
    if sample is None or not kept:
        return found
    share = sample.share if sample.n is None else min(1.0, sample.n / kept)
    return found.scaled(1.0 if share is None else share)


def _groups(run: RunDirectory, drawn: Drawn, seconds: Mapping[str, Mapping[str, float]], form: str) -> dict[str, Group]:
    """Partition of the sample to what it came to."""
    verdicts = iter(read_table(run.decisions, columns=["verdict"])["verdict"].to_pylist())
    found = {}
    for partition in (*drawn.loose, *drawn.shards):
        members = read_part(run, partition.id, ["members"])["members"].to_pylist()
        lengths = [[int(one["length"]) for one in each or ()] for each in members]
        in_tar = [sum(_BLOCK + -(-length // _BLOCK) * _BLOCK for length in each) for each in lengths]
        plain = [sum(each) for each in lengths]
        written = in_tar if form == "webdataset" else plain
        kept = [next(verdicts) == "keep" for _ in members]
        entry, taken = partition.entries[0], Counter(dict(seconds.get(partition.id, {})))
        read = sum(in_tar if entry.kind == "tar" else plain)
        found[partition.id] = Group(
            records=len(members),
            size=entry.size if entry.is_shard and len(members) < drawn.each else read,  # then that was all of it
            seconds=taken.total() - taken[_CLOSING],
            closing=taken[_CLOSING],
            written=sum(written),
            kept=sum(kept),
            kept_written=sum(itertools.compress(written, kept)),
        )
    return found


def _strata(plan: ScorePlan, drawn: Drawn, groups: Mapping[str, Group]) -> list[Stratum]:
    """Loose files, whose number is known, and shards, of which it is not."""
    entries = [entry for one in plan.partitions for entry in one.entries]
    loose = [entry for entry in entries if not entry.is_shard]
    strata = [
        Stratum(tuple(groups[one.id] for one in drawn.loose), len(loose), sum(max(0, one.size) for one in loose)),
        Stratum(
            tuple(groups[one.id] for one in drawn.shards),
            None,
            sum(max(0, one.size) for one in entries if one.is_shard),
        ),
    ]
    return [one for one in strata if one.groups]
