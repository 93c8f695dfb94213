"""What there is to score: what a recipe asks for, beside what a run has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nemo_curator import storage
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import OutputExistsError
from nemo_curator.pipeline import numerics
from nemo_curator.pipeline.lazy import lazily, passed_over, policy_on
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.score_notes import notes_on_closed, notes_on_growth
from nemo_curator.pipeline.scoring import Scoring, plan_scoring
from nemo_curator.pipeline.work import Fingerprints, Work, plan_work, refuse_stale, stale_columns
from nemo_curator.planning.means import Means
from nemo_curator.planning.numerics import Settled, settled_in
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.growth import Growth, grow, taken_over
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lying_there import parts_there
from nemo_curator.runs.partitions import list_version, read_partitions
from nemo_curator.runs.parts import part_facts
from nemo_curator.runs.state import RunState
from nemo_curator.runs.stored_embeddings import embeddings_fit
from nemo_curator.shards.listing import Listing
from nemo_curator.shards.partitioning import Partition


@dataclass(frozen=True, slots=True)
class Found:
    """What a plan found of a run that it goes on with.

    Attributes:
        facts: All that the run says of itself.
        list_version: Of its list of partitions; "" where nobody knows it.
    """

    facts: Mapping[str, Any]
    list_version: str


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
        found: What there was of the run; None where there was no run yet.
        shard: Which share of the partitions this is about, where other processes score the others; None for all.
        dropped: What was in force in the run and is no more, in sentences; no notes, because a later decision may bring
            it back.
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
    found: Found | None = None
    shard: Shard | None = None
    dropped: tuple[str, ...] = ()

    @property
    def is_first(self) -> bool:
        """Whether there was no run yet."""
        return self.found is None

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

    @property
    def loose_files(self) -> int:
        """Files of the partitions that are read, where all are loose ones; else 0."""
        todo = [one.entries for one in self.partitions if one.id in self.work.partitions]
        return 0 if any(entry.is_shard for entries in todo for entry in entries) else sum(map(len, todo))


def plan_score(
    run: RunDirectory,
    listing: Listing,
    recipe: Recipe,
    *,
    rescore: bool = False,
    settled: Mapping[str, Settled] | None = None,
    shard: Shard | None = None,
) -> ScorePlan:
    """Find out what there is to score; nothing is written.

    Args:
        run: The run directory, which need not be there.
        listing: What the input holds.
        recipe: What to compute.
        rescore: Whether columns that were computed in another way, and files that changed, may be computed again.
        settled: Model to how it is computed, beside what the run has on record.
        shard: Which share of the partitions it is about: nothing is asked about the parts of others, nor planned.

    Raises:
        OutputExistsError: The directory holds a run of another input.
        StaleScoresError: Stored scores are other ones than the recipe asks for, and `rescore` was not said.
        RecipeError: A score or parameter is unknown; or, of a lazy scoring, a rule.
        ModelError: A model cannot be used.
    """
    state = RunState.read(run)
    found = None if state is None else Found(state.facts, list_version(run))  # before the list is read
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
    ids = [one.id for one in (growth.partitions if shard is None else shard.takes(growth.partitions))]
    wanted = scoring.fingerprints
    parts, notes = _held(run, ids, wanted) if state is not None else ({}, [])
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
    return ScorePlan(run, scoring, growth, work, tuple(notes), ignored, rescore, settled, found=found, shard=shard)


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


def _held(
    run: RunDirectory, ids: Sequence[str], wanted: Fingerprints
) -> tuple[dict[str, dict[str, str] | None], list[str]]:
    """(id of each partition with a part to how its whole columns were computed, None for a torn one; damage, told)."""
    there = parts_there(run)
    begun = [one for one in ids if one in there]
    found = storage.at_once(lambda one: _held_by(run, one, wanted), begun, run.root)
    parts, notes = {}, []
    for one, (held, told) in zip(begun, found, strict=True):
        parts[one] = held
        notes += told
    return parts, notes


def _held_by(run: RunDirectory, partition_id: str, wanted: Fingerprints) -> tuple[dict[str, str] | None, list[str]]:
    """(how the columns of a part that are whole were computed, None where it is torn; what is damaged)."""
    facts = part_facts(run, partition_id)
    if facts is None:
        return None, [f"the part {run.part(partition_id)} is damaged and is computed again"]
    held = dict(facts.fingerprints)
    if EMBEDDING not in held or embeddings_fit(run, partition_id, facts):
        return held, []
    told = []
    if held[EMBEDDING] == wanted.get(EMBEDDING, held[EMBEDDING]):  # else they are being replaced
        told = [f"the embeddings {run.embeddings(partition_id)} are damaged; their partition is computed again"]
    del held[EMBEDDING]
    return held if EMBEDDING in wanted else None, told
