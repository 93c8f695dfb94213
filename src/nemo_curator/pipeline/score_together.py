"""One of several processes that score one run at once, on any hosts that reach its directory (ADR 0033).

They agree by two files that each of them would write alike, and of which the first writer's stays: `run.json` (the plan
with what is settled of it) and `partitions.parquet`. Whoever finds them written compares, and refuses where it would do
something else. Everything after that is parts, which are the same bytes whoever writes them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from nemo_curator import storage
from nemo_curator.backends.choosing import check_executor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import InputError, StaleScoresError
from nemo_curator.pipeline.means import with_means
from nemo_curator.pipeline.output import claim_run
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.run_plan import start_ahead
from nemo_curator.pipeline.score import first_state, score
from nemo_curator.pipeline.score_plan import ScorePlan, newly_settled, with_news
from nemo_curator.planning.means import Asked
from nemo_curator.planning.numerics import Settled
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.growth import Growth
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import create_partitions
from nemo_curator.runs.state import RunState
from nemo_curator.shards.listing import Listing

Planned = tuple[ScorePlan, Policy]
"""What there is to score, and how to decide on it."""

Planner = Callable[[dict[str, Settled] | None, Shard | None], Planned]
"""(what is settled beside what the run has on record, a share or None for all) to the plan of that."""

_ALONE = "run `imagecurator score` without --shard once, and the shards again behind it"


def score_together(
    planned: Planned,
    planner: Planner,
    run: RunDirectory,
    listing: Listing,
    recipe: Recipe,
    shard: Shard,
    *,
    asked: Asked,
    watcher: Watcher,
    crew: Crew | None = None,
) -> ScorePlan:
    """Score one share of a run's partitions, beside other processes that score theirs.

    Args:
        planned: The plan of the share that was made before the run was held with others.
        planner: Plans anew.
        run: The run directory.
        listing: What the input holds.
        recipe: What to compute.
        shard: Which share.
        asked: What the user said of workers and memory.
        watcher: Told of the progress.
        crew: Where workers come from; the caller closes it.

    Returns:
        What there was to score of this share.

    Raises:
        InputError: The input is not the one that the run began with.
        StaleScoresError: The recipe asks for other scores than those that the run began with.
        LockedError: A command that works alone is at work there.
        CuratorError: As `score_run`.
    """
    check_executor(asked)
    with ExitStack() as held:
        held.callback(watcher.close)
        held.enter_context(storage.shared(run.root, lambda: claim_run(run)))  # others may have files under way
        claim_run(run, write=False)
        plan, policy = _agreed(planned, planner, run, listing, recipe, shard, asked, watcher, crew)
        plan = with_means(plan, recipe, asked)
        start_ahead(crew, plan)
        score(plan, recipe, asked=asked, policy=policy, watcher=watcher, crew=crew)
    return plan


def check_share(plan: ScorePlan) -> None:
    """Make the checks that scoring a share makes; nothing is written.

    Raises:
        CuratorError: As `score_together`.
    """
    state = None if plan.is_first else RunState.read(plan.run)  # else another one may have begun it since
    if state is not None:
        _refuse_other_plan(plan, state)
        if _knew_list(plan):
            _refuse_other_input(plan.growth, plan.run)


def _agreed(
    planned: Planned,
    planner: Planner,
    run: RunDirectory,
    listing: Listing,
    recipe: Recipe,
    shard: Shard,
    asked: Asked,
    watcher: Watcher,
    crew: Crew | None,
) -> tuple[ScorePlan, Policy]:
    """The plan that stands in the run, whoever wrote it there."""
    plan, policy = planned
    if plan.is_first and RunState.read(run) is None:
        plan, _ = planner(None, None)  # what is settled, is for all shares, also where this one is empty
        settled = newly_settled(plan, recipe, listing, rescore=False, memory=asked.memory, watcher=watcher, crew=crew)
        if settled:
            plan, _ = planner(settled, None)
            plan = with_news(plan, settled)
        first_state(plan, recipe).create()
    if plan.is_first:  # by what is on record now: our own, or what somebody was quicker to write
        plan, policy = planner(None, shard)
    _refuse_other_plan(plan, RunState.require(run))
    # a plan that knew the list stands: others have added parts since at most, and what they write is not written again
    if not _knew_list(plan):
        if create_partitions(run, plan.partitions):
            return plan, policy
        plan, policy = planner(None, shard)
    _refuse_other_input(plan.growth, run)
    return plan, policy


def _knew_list(plan: ScorePlan) -> bool:
    """Whether the run had a list of partitions when it was planned."""
    return len(plan.growth.new) < len(plan.partitions)


def _refuse_other_plan(plan: ScorePlan, state: RunState) -> None:
    """Refuse to compute what the run was not begun for: its record would have to be written anew beside others.

    Raises:
        StaleScoresError: It is so.
    """
    recorded = state.fingerprints
    other = [name for name, value in plan.scoring.fingerprints.items() if recorded.get(name) != value]
    if other:
        raise StaleScoresError(
            f"this run was begun with other scores: {', '.join(other[:5])}{' and more' if len(other) > 5 else ''} "
            f"{'is' if len(other) == 1 else 'are'} not in its plan as the recipe asks for now",
            where=plan.run.root,
            cause="the shards of a run have one recipe, and the same libraries",
            act=f"give every shard the recipe that the first one had; to score more or otherwise, {_ALONE}",
        )


def _refuse_other_input(growth: Growth, run: RunDirectory) -> None:
    """Refuse an input that is not the one of the frozen list: the shares of others would be other ones.

    Raises:
        InputError: It is so.
    """
    counts = {
        "new partitions": len(growth.new),
        "files changed": len(growth.changed_files),
        "files gone": len(growth.vanished_files),
    }
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    if told:
        raise InputError(
            f"the input is not what it was when this run began: {', '.join(told)}",
            where=run.root,
            act=f"give every shard the same input; to take up what is new, {_ALONE}",
        )
