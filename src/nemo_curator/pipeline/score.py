"""Read and score: the parts of a run that are missing, or whose columns are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.backends.choosing import executor_for
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import ConservationError, CuratorError
from nemo_curator.pipeline import numerics
from nemo_curator.pipeline.given_up import GivenUp
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import ImageGivenUp, Noted, Planned, Read
from nemo_curator.pipeline.progress.parts import scored_part
from nemo_curator.pipeline.score_chain import score_chain
from nemo_curator.pipeline.score_notes import left_out_briefly, short_of_memory
from nemo_curator.pipeline.score_plan import ScorePlan
from nemo_curator.pipeline.scoring import Stage
from nemo_curator.pipeline.work import stale_columns
from nemo_curator.planning.means import NOTHING, Asked
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.effort import Effort
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lying_there import anything_embedded
from nemo_curator.runs.part_writer import MERGED, STAGE_SECONDS
from nemo_curator.runs.partitions import write_partitions
from nemo_curator.runs.parts import read_part
from nemo_curator.runs.state import RunState
from nemo_curator.shards.partitioning import Partition
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.tasks import Task


def start(plan: ScorePlan, recipe: Recipe, *, rescore: bool = False, embeds: bool = False) -> RunState:
    """Write down what is going to be scored, so that an interrupted scoring goes on without being asked anew.

    Args:
        plan: What is going to be scored.
        recipe: The recipe that it was made of.
        rescore: Whether columns may be computed again.
        embeds: Whether the run is one of `imagecurator embed`.

    Raises:
        StorageError: The run directory cannot be written.
    """
    state = _state(plan, recipe, rescore=rescore)
    if embeds:
        state.embedding()
    state.write()  # first, because it says whose directory this is
    if rescore:  # a part of files that changed must not stand beside the list that says how they are now
        for partition_id in plan.growth.changed:
            storage.remove(plan.run.part(partition_id))
    write_partitions(plan.run, plan.partitions)
    return state


def first_state(plan: ScorePlan, recipe: Recipe) -> RunState:
    """The state of a run that begins, not written yet.

    Args:
        plan: What is going to be scored.
        recipe: The recipe that it was made of.
    """
    return _state(plan, recipe, rescore=False)


def _state(plan: ScorePlan, recipe: Recipe, *, rescore: bool) -> RunState:
    state = RunState.read(plan.run) or RunState.new(plan.run)
    if rescore or not stale_columns(state, plan.scoring):
        state.plan(plan.scoring.planned)
    in_force = recipe.model_dump(mode="json")
    if plan.work.partitions or state.recipe != in_force:
        state.outdated(scored=bool(plan.work.partitions))
    state.set_recipe(in_force)
    numerics.record(state, plan.settled, plan.scoring.stages)
    state.facts["ignored"] = [list(pair) for pair in plan.ignored]
    skipped = ", ".join(name for name, _ in plan.scoring.skipped)
    state.facts["notes"] = [*plan.notes, *([f"`scores: all` left out {skipped}"] if skipped else [])]
    return state


def score(
    plan: ScorePlan,
    recipe: Recipe,
    *,
    asked: Asked = NOTHING,
    policy: Policy | None = None,
    watcher: Watcher,
    crew: Crew | None = None,
) -> Effort:
    """Compute what is missing.

    Args:
        plan: What that is.
        recipe: The recipe that it was made of.
        asked: What the user said of workers and memory.
        policy: For the verdicts that a display shows on the way.
        watcher: Told of the progress.
        crew: Where workers come from.

    Returns:
        What was scored now, and what the stages took for it.

    Raises:
        StageError: A stage failed on everything.
        StorageError: A part cannot be written.
        MemoryBudgetError: The budget is too small for it.
    """
    taken = Effort()
    by_id = {one.id: one for one in plan.partitions}
    watcher.told(_begins(plan))
    if notes := (*left_out_briefly(plan.scoring), *plan.notes, *plan.dropped, *short_of_memory(plan.means)):
        watcher.told(Noted(notes))
    # files of a partition that may be there are removed before new ones are written; elsewhere that takes requests
    lying = anything_embedded(plan.run) if plan.work.partitions and not plan.is_first else frozenset()
    whole = list(plan.work.whole)
    for columns, ids in plan.work.columns.items():
        left = list(ids)
        for stages in plan.scoring.ways(columns):
            left = _execute(
                plan, recipe, stages, [by_id[one] for one in left], lying, asked, policy, watcher, taken, crew
            )
        whole += left
    order = {one.id: index for index, one in enumerate(plan.partitions)}
    whole.sort(key=order.__getitem__)
    _execute(plan, recipe, None, [by_id[one] for one in whole], lying, asked, policy, watcher, taken, crew)
    if crew is not None:
        crew.dismiss()  # what comes next needs their memory
    return taken


def _execute(
    plan: ScorePlan,
    recipe: Recipe,
    some: Sequence[Stage] | None,
    partitions: Sequence[Partition],
    lying: Collection[str],
    asked: Asked,
    policy: Policy | None,
    watcher: Watcher,
    taken: Effort,
    crew: Crew | None,
) -> list[str]:
    """Score partitions by all stages, or by some; ids of those that some do not suffice for. Adds what stages took."""
    if not partitions:
        return []
    unmerged: list[str] = []
    added = some is not None and not plan.rescored
    given_up = GivenUp(plan.run, partitions, plan.scoring.fingerprints, added=added)

    def on_done(index: int, results: list[Task[Any]]) -> None:
        partition_id = partitions[index].id
        seconds: Counter[str] = Counter()
        for result in results:
            seconds.update(result._metadata.get(STAGE_SECONDS, {}))
        if any(not result._metadata.get(MERGED, True) for result in results):
            unmerged.append(partition_id)
            taken.add(seconds, 0, 0)  # its inputs count when they are scored whole
        else:
            given_up.written(index)
            table = read_part(plan.run, partition_id, None if watcher.shows_verdicts else ["source"])
            _check_complete(partitions[index], table)
            taken.add(seconds, table.num_rows, partitions[index].size)
            watcher.told(scored_part(partitions[index], table, policy, seconds, judged=watcher.shows_verdicts))

    config: dict[str, Any] = {"image_seconds": recipe.limits.seconds, "image_memory": recipe.limits.memory}
    config |= {name: value for name, value in asked.config.items() if value is not None}
    config["witnesses"] = [plan.run.run_json]  # written before: a host that does not see it does not see the run
    config["computed"] = [(stage, recipe.decode.as_options()) for stage in plan.scoring.stages]

    def on_condemned(index: int, image_id: str, why: str) -> None:
        given_up.add(index, image_id, why)
        watcher.told(ImageGivenUp(image_id, why))

    executor = executor_for(
        asked,
        config,
        progress=lambda _, records: watcher.told(Read(records)),
        on_done=on_done,
        on_condemned=on_condemned,
        on_event=watcher.told,
        crew=crew,
    )
    tasks = [
        partition_task(one, given_up.images(index), is_new=one.id not in lying) for index, one in enumerate(partitions)
    ]
    try:
        executor.execute(score_chain(plan.run, plan.scoring, recipe, some, beside_others=plan.shard is not None), tasks)
    except CuratorError:
        if plan.shard is None:  # else they may be another process's
            _forget_unfinished(plan.run)
        raise
    return unmerged


def _forget_unfinished(run: RunDirectory) -> None:
    """Remove the files that workers had under way when the failure of another one ended the scoring."""
    for folder in run.folders:
        with suppress(OSError, CuratorError):  # what cannot be removed now is swept by the next command
            for stored in storage.list(folder, recursive=False):
                if storage.is_temporary(stored.url):
                    storage.remove(stored.url)


def _check_complete(partition: Partition, table: pa.Table) -> None:
    """Every file of a partition has a record; of a shard, which may be empty, the records are its samples.

    Raises:
        ConservationError: One has none.
    """
    recorded = set(table["source"].to_pylist())
    lost = [entry.image_id for entry in partition.entries if not entry.is_shard and entry.path not in recorded]
    if lost:
        raise ConservationError(
            f"{len(lost):,} inputs have no record, {lost[0]!r} for one",
            cause="this is a fault of imagecurator, not of your data",
            act="keep the run directory and report it",
        )


def _begins(plan: ScorePlan) -> Planned:
    """What there is to do."""
    means = plan.means
    return Planned(
        len(plan.share),
        plan.bytes,
        len(plan.share) - len(plan.work.partitions),
        stages=tuple(stage.name for stage in plan.scoring.stages),
        columns=tuple(column.name for column in plan.scoring.columns),
        workers=None if means is None else means.shares.workers,
        inference_threads=0 if means is None else means.shares.inference_threads,
        memory=0 if means is None else means.memory.most,
        files=plan.loose_files,
    )
