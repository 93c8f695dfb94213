"""Read and score: the parts of a run that are missing, or whose columns are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.backends.choosing import executor_for
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import ConservationError, CuratorError, OutputExistsError
from nemo_curator.pipeline import numerics
from nemo_curator.pipeline.given_up import GivenUp
from nemo_curator.pipeline.lazy import lazily, passed_over, policy_on
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import ImageGivenUp, Noted, Planned, Read
from nemo_curator.pipeline.progress.parts import scored_part
from nemo_curator.pipeline.score_chain import score_chain
from nemo_curator.pipeline.score_notes import left_out, notes_on_closed, notes_on_growth, short_of_memory
from nemo_curator.pipeline.scoring import Scoring, Stage, plan_scoring
from nemo_curator.pipeline.work import Fingerprints, Work, plan_work, refuse_stale, stale_columns
from nemo_curator.planning.means import NOTHING, Asked, Means
from nemo_curator.planning.numerics import Settled, settled_in
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.growth import Growth, grow, taken_over
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.part_writer import MERGED, STAGE_SECONDS
from nemo_curator.runs.partitions import read_partitions, write_partitions
from nemo_curator.runs.parts import part_facts, read_part
from nemo_curator.runs.state import RunState
from nemo_curator.runs.stored_embeddings import embeddings_fit
from nemo_curator.shards.listing import Listing
from nemo_curator.shards.partitioning import Partition
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.tasks import Task


@dataclass(frozen=True, slots=True)
class ScorePlan:
    """What a scoring will do.

    Attributes:
        run: The run directory.
        scoring: Stages and columns.
        growth: The input beside what it was.
        work: What is missing.
        notes: What a user should know, in sentences.
        ignored: (path, reason) of files that are seen and are no input.
        rescored: Whether columns may be computed again, so that what cost workers before is tried again too.
        settled: Model to how it is computed, of those whose precision or runtime the recipe leaves open.
        means: What it uses of the machine; None until `means.with_means`, and where there is nothing to do.
        is_first: Whether there was no run yet.
        shard: Which share of the partitions this is about, where other processes score the others; None for all.
    """

    run: RunDirectory
    scoring: Scoring
    growth: Growth
    work: Work
    notes: tuple[str, ...]
    ignored: tuple[tuple[str, str], ...]
    rescored: bool = False
    settled: Mapping[str, Settled] = field(default_factory=dict)
    means: Means | None = None
    is_first: bool = False
    shard: Shard | None = None

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """All partitions, in source order."""
        return self.growth.partitions

    @property
    def share(self) -> tuple[Partition, ...]:
        """Those of them that this is about."""
        return self.partitions if self.shard is None else tuple(self.shard.takes(self.partitions))

    @property
    def bytes(self) -> int:
        """Bytes of the partitions that are read."""
        todo = self.work.partitions
        return sum(one.size for one in self.partitions if one.id in todo)


def plan_score(
    run: RunDirectory,
    listing: Listing,
    recipe: Recipe,
    *,
    rescore: bool = False,
    settled: Mapping[str, Settled] | None = None,
) -> ScorePlan:
    """Find out what there is to score; nothing is written.

    Args:
        run: The run directory, which need not be there.
        listing: What the input holds.
        recipe: What to compute.
        rescore: Whether columns that were computed in another way, and files that changed, may be computed again.
        settled: Model to how it is computed, beside what the run has on record.

    Raises:
        OutputExistsError: The directory holds a run of another input.
        StaleScoresError: Stored scores are other ones than the recipe asks for, and `rescore` was not said.
        RecipeError: A score or parameter is unknown; or, of a lazy scoring, a rule.
        ModelError: A model cannot be used.
    """
    state = RunState.read(run)
    settled = {**({} if rescore else settled_in(state.facts if state else {})), **(settled or {})}
    scoring = plan_scoring(recipe, settled)
    if recipe.lazy:
        scoring = lazily(scoring, policy_on(scoring, recipe, state))
    frozen = read_partitions(run) if state is not None else []
    growth = grow(frozen, listing.entries)
    if growth.foreign:
        raise OutputExistsError(
            "this run is of another input: no file of it is in the input that was given",
            where=run.root,
            act="name the input that it was made of, or another run directory; or start anew in its place with "
            "`run --replace --rescore`, which removes its scores",
        )
    ids = [one.id for one in growth.partitions]
    wanted = scoring.fingerprints
    notes: list[str] = []
    there = _parts_there(run) if state is not None else frozenset()
    parts = {one: _held(run, one, wanted, notes) for one in ids if one in there}
    # files that changed before their partition was ever scored are simply what they are now
    again = growth.changed if rescore else frozenset(one for one in growth.changed if parts.get(one) is None)
    unheard = numerics.unheard(scoring.open, recipe.inference)
    notes = [*passed_over(scoring), *unheard, *notes_on_closed(listing), *notes_on_growth(growth, again), *notes]
    growth = taken_over(growth, listing.entries, again)
    if state is not None:
        stale = stale_columns(state, scoring)
        # what was recorded stays in force for as long as nobody allows another way
        recorded = wanted | {name: state.fingerprints[name] for name in stale.columns}
        if not rescore:
            work = plan_work(ids, parts, recorded)
            refuse_stale(stale, run.root, missing=bool(work.partitions))
            if stale:
                notes.append(f"stored scores are used as they are, though libraries changed: {stale.sentence}")
            wanted = recorded
    work = plan_work(ids, parts, wanted, again)
    ignored = listing.ignored
    return ScorePlan(run, scoring, growth, work, tuple(notes), ignored, rescore, settled, is_first=state is None)


def newly_settled(
    plan: ScorePlan,
    recipe: Recipe,
    listing: Listing,
    *,
    rescore: bool,
    memory: int | None,
    watcher: Watcher,
    crew: Crew | None = None,
) -> dict[str, Settled]:
    """Settle how models are computed that the recipe leaves open, before a plan is carried out.

    Args:
        plan: The plan.
        recipe: The recipe that it was made of.
        listing: What the input holds.
        rescore: Whether what is on record may be settled anew.
        memory: Bytes that all processes may take together; None leaves it to us.
        watcher: Told before models are tried.
        crew: Where workers come from.

    Returns:
        Model to how it is computed, where the plan does not have it so yet; it is to be made again with that.

    Raises:
        WeightsError: A model's weights are damaged or of another model.
    """
    if not plan.work.partitions and not rescore:
        return {}
    held = {} if rescore else plan.settled
    settled = numerics.settle(plan.scoring.open, recipe, listing.entries, held, watcher, memory, crew)
    return {model: one for model, one in settled.items() if plan.settled.get(model) != one}


def with_news(plan: ScorePlan, settled: Mapping[str, Settled]) -> ScorePlan:
    """The plan with a note for each model that was tried."""
    told = (one.sentence(model) for model, one in settled.items() if one.is_news)
    return replace(plan, notes=(*plan.notes, *told))


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
        state.undecided()
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
) -> dict[str, float]:
    """Compute what is missing.

    Args:
        plan: What that is.
        recipe: The recipe that it was made of.
        asked: What the user said of workers and memory.
        policy: For the verdicts that a display shows on the way.
        watcher: Told of the progress.
        crew: Where workers come from.

    Returns:
        Stage to the seconds that its calls took, over all workers; of what was scored now.

    Raises:
        StageError: A stage failed on everything.
        StorageError: A part cannot be written.
        MemoryBudgetError: The budget is too small for it.
    """
    taken: Counter[str] = Counter()
    by_id = {one.id: one for one in plan.partitions}
    watcher.told(_begins(plan))
    if notes := (*left_out(plan.scoring), *plan.notes, *short_of_memory(plan.means)):
        watcher.told(Noted(notes))
    whole = list(plan.work.whole)
    for columns, ids in plan.work.columns.items():
        left = list(ids)
        for stages in plan.scoring.ways(columns):
            left = _execute(plan, recipe, stages, [by_id[one] for one in left], asked, policy, watcher, taken, crew)
        whole += left
    order = {one.id: index for index, one in enumerate(plan.partitions)}
    whole.sort(key=order.__getitem__)
    _execute(plan, recipe, None, [by_id[one] for one in whole], asked, policy, watcher, taken, crew)
    return dict(taken)


def _execute(
    plan: ScorePlan,
    recipe: Recipe,
    some: Sequence[Stage] | None,
    partitions: Sequence[Partition],
    asked: Asked,
    policy: Policy | None,
    watcher: Watcher,
    taken: Counter[str],
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
        taken.update(seconds)
        if any(not result._metadata.get(MERGED, True) for result in results):
            unmerged.append(partition_id)
        else:
            given_up.written(index)
            table = read_part(plan.run, partition_id, None if watcher.shows_verdicts else ["source"])
            _check_complete(partitions[index], table)
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
    tasks = [partition_task(one, given_up.images(index)) for index, one in enumerate(partitions)]
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
    )


def _parts_there(run: RunDirectory) -> frozenset[str]:
    """Ids of the partitions with a part, whole or torn, by one listing: to ask for each would take longer."""
    try:
        found = storage.list(storage.join(run.root, "parts"), recursive=False)
    except OSError:
        return frozenset()
    names = (stored.url.rpartition("/")[2] for stored in found)
    return frozenset(name.removesuffix(".parquet") for name in names if name.endswith(".parquet"))


def _held(run: RunDirectory, partition_id: str, wanted: Fingerprints, notes: list[str]) -> dict[str, str] | None:
    """How the columns of a partition that are whole were computed; None without a part. Damage is noted."""
    facts = part_facts(run, partition_id)
    if facts is None:
        if storage.exists(run.part(partition_id)):
            notes.append(f"the part {run.part(partition_id)} is damaged and is computed again")
        return None
    held = dict(facts.fingerprints)
    if EMBEDDING not in held or embeddings_fit(run, partition_id, facts):
        return held
    if held[EMBEDDING] == wanted.get(EMBEDDING, held[EMBEDDING]):  # else they are being replaced
        notes.append(f"the embeddings {run.embeddings(partition_id)} are damaged; their partition is computed again")
    del held[EMBEDDING]
    return held if EMBEDDING in wanted else None
