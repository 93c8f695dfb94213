"""The plan of a run: of what its recipe asks for and its input holds, once it is settled how models are computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nemo_curator import storage
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import OutputError
from nemo_curator.pipeline.dropped import dropped
from nemo_curator.pipeline.lazy import policy_on
from nemo_curator.pipeline.others import check_others
from nemo_curator.pipeline.policy import anchored, fitting
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.score_plan import ScorePlan, newly_settled, plan_score, with_news
from nemo_curator.pipeline.scoring import plan_scoring
from nemo_curator.planning.means import Asked
from nemo_curator.planning.numerics import Settled
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.growth import grow
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import list_version, read_partitions
from nemo_curator.runs.state import RunState
from nemo_curator.shards.listing import Listing

_AT_WORK = "another imagecurator is at work in this run; what it does from now on is not counted here"


def effective(recipe: Recipe) -> Recipe:
    """The recipe as a run uses it.

    Its files are found from anywhere, no default rule is over a score that it leaves out, and the scores that its
    duplicates need stand behind the default ones.

    Raises:
        RecipeError: A score or parameter is unknown.
        ModelError: A model cannot be used.
    """
    recipe = recipe.with_needed_scores()
    return fitting(anchored(recipe), [column.name for column in plan_scoring(recipe).columns])


def plan_run(
    run: RunDirectory,
    listing: Listing,
    recipe: Recipe,
    *,
    rescore: bool,
    settled: Mapping[str, Settled] | None = None,
    shard: Shard | None = None,
) -> tuple[ScorePlan, Policy]:
    """What to score, and how to decide on it: rules may use the recipe's columns and those that are there already."""
    plan = plan_score(run, listing, recipe, rescore=rescore, settled=settled, shard=shard)
    state = RunState.read(run)
    if state is not None:
        plan = dataclasses.replace(plan, dropped=tuple(dropped(state.recipe, recipe, run.root)))
    return plan, policy_on(plan.scoring, recipe, state)


def settled_plan(
    planned: tuple[ScorePlan, Policy],
    listing: Listing,
    recipe: Recipe,
    *,
    rescore: bool,
    asked: Asked,
    watcher: Watcher,
    crew: Crew | None,
) -> tuple[ScorePlan, Policy]:
    """The plan of a run that is held, after it is settled how the models are computed that the recipe leaves open.

    What was planned before the run was held stands if nobody was at work there in between.
    """
    (plan, policy), run = planned, planned[0].run
    if not _stands(plan):
        plan, policy = plan_run(run, listing, recipe, rescore=rescore)
    settled = newly_settled(plan, recipe, listing, rescore=rescore, memory=asked.memory, watcher=watcher, crew=crew)
    if settled:
        plan, policy = plan_run(run, listing, recipe, rescore=rescore, settled=settled)
        plan = with_news(plan, settled)
    check_others(recipe, run, _facts(plan, rescore=rescore))
    return plan, policy


def _stands(plan: ScorePlan) -> bool:
    """Whether a run is still as it was found, but for parts: they are the same whoever adds them."""
    state, found = RunState.read(plan.run), plan.found
    if state is None or found is None:
        return state is None and found is None
    return state.facts == found.facts and found.list_version == list_version(plan.run) != ""


@contextmanager
def looking_at(run: RunDirectory) -> Iterator[None]:
    """A dry run: while another process makes the run, every refusal of its place is that, as for the command itself.

    What else is wrong with a run at work (it is of another input, its scores are others) may be otherwise once it has
    ended, and is no reason to throw it away.

    Raises:
        LockedError: The run is refused, and a process is at work in it.
    """
    try:
        yield
    except OutputError:
        storage.refuse_held(run.root)
        raise


def with_note_of_work(plan: ScorePlan) -> ScorePlan:
    """The plan of a dry run; if a process makes the run at this moment, with a note that says so."""
    return dataclasses.replace(plan, notes=(*plan.notes, _AT_WORK)) if storage.is_locked(plan.run.root) else plan


def start_ahead(crew: Crew | None, plan: ScorePlan) -> None:
    """Start the workers that a plan wants, while the run directory is prepared for them.

    Not before it is settled how models are computed: a trial of that plans with the whole budget of memory.
    """
    if crew is not None and plan.means is not None:
        crew.start_ahead(plan.means.shares.workers)


def _facts(plan: ScorePlan, *, rescore: bool) -> dict[str, Mapping[str, Any]]:
    """What the columns will depend on: what is stored stays as it is, unless it may be computed again."""
    facts: dict[str, Mapping[str, Any]] = {one.name: one.facts for one in plan.scoring.planned}
    state = RunState.read(plan.run)
    if state is not None:
        stored = {name: state.column_facts(name) or {} for name in state.fingerprints}
        facts = {**stored, **facts} if rescore else {**facts, **stored}
    return facts


def roots(listing: Listing) -> list[str]:
    """Where the inputs lie, as they were given; a loose file by itself."""
    return [entry.root or entry.location for entry in listing.entries]


def is_of_another_input(run: RunDirectory, listing: Listing) -> bool:
    """Whether a run is there, and no file of it is in the input."""
    return RunState.read(run) is not None and grow(read_partitions(run), listing.entries).foreign
