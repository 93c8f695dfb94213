"""Scoring into a run directory, without deciding: `imagecurator score`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, nullcontext

from nemo_curator import storage
from nemo_curator.backends.choosing import check_executor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import StaleScoresError
from nemo_curator.pipeline.means import with_means
from nemo_curator.pipeline.others import check_others, other_sets
from nemo_curator.pipeline.output import (
    check_run_place,
    claim_run,
)
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.run_plan import (
    effective,
    looking_at,
    plan_run,
    roots,
    settled_plan,
    start_ahead,
    with_note_of_work,
)
from nemo_curator.pipeline.score import score, start
from nemo_curator.pipeline.score_plan import ScorePlan
from nemo_curator.pipeline.score_together import check_share, score_together
from nemo_curator.planning.means import LOCAL, NOTHING, Asked
from nemo_curator.planning.numerics import Settled
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.deciding import Policy
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState
from nemo_curator.shards.listing import list_inputs


def score_run(
    inputs: Sequence[str],
    run: RunDirectory,
    recipe: Recipe,
    *,
    workers: int | None = None,
    memory: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    rescore: bool = False,
    shard: Shard | None = None,
    watcher: Watcher | None = None,
    crew: Crew | None = None,
) -> ScorePlan:
    """Read and score some inputs into a run directory.

    Args:
        inputs: Folders, tars, image files, each optionally as `NAME=PATH`.
        run: The run directory; one that is there is continued.
        recipe: What to compute; its rules are checked, and decide later.
        workers: Worker processes; one a CPU core by default.
        memory: Bytes that all processes may take together; a share of the machine's by default.
        executor: Where images are read and scored: `local`, or `ray`.
        address: Of the Ray cluster; by default what `RAY_ADDRESS` says, else one is started on this machine.
        rescore: Compute columns again that were computed in another way, and files that changed.
        shard: Which share of the partitions; other processes may score the others at the same time. None for all.
        watcher: Told of the progress.
        crew: Where workers come from; the caller closes it.

    Returns:
        What there was to score.

    Raises:
        InputError: The input is not the one of the other shards.
        StaleScoresError: The recipe is not the one of the other shards.
        CuratorError: As `curate`.
    """
    watcher = watcher or Watcher()
    _refuse_rescoring(shard, rescore=rescore)
    recipe = effective(recipe)
    listing = list_inputs(inputs)
    check_run_place(run, roots(listing))
    if shard is None:
        storage.refuse_held(run.root)  # what is to be said of a run at work may be another thing when it has ended
    claim_run(run, write=False)
    check_others(recipe, run, {})
    asked = Asked(workers, memory, executor, address)
    check_executor(asked)
    first, policy = plan_run(run, listing, recipe, rescore=rescore, shard=shard)
    with_means(first, recipe, asked)  # too little memory is said before anything is written
    if shard is not None:
        check_share(first)

        def planner(settled: dict[str, Settled] | None, share: Shard | None) -> tuple[ScorePlan, Policy]:
            return plan_run(run, listing, recipe, rescore=False, settled=settled, shard=share)

        return score_together(
            (first, policy), planner, run, listing, recipe, shard, asked=asked, watcher=watcher, crew=crew
        )
    with ExitStack() as held:
        held.callback(watcher.close)
        held.enter_context(storage.locked(run.root))
        claim_run(run)
        plan, policy = settled_plan(
            (first, policy), listing, recipe, rescore=rescore, asked=asked, watcher=watcher, crew=crew
        )
        plan = with_means(plan, recipe, asked)
        start_ahead(crew, plan)
        start(plan, recipe, rescore=rescore)
        taken = score(plan, recipe, asked=asked, policy=policy, watcher=watcher, crew=crew)
        state = RunState.require(run)
        state.stages_took(taken)
        state.write()
        other_sets(state, recipe, watcher, asked=asked)
    return plan


def preview_score(
    inputs: Sequence[str],
    run: RunDirectory,
    recipe: Recipe,
    *,
    asked: Asked = NOTHING,
    rescore: bool = False,
    shard: Shard | None = None,
) -> ScorePlan:
    """What `score_run` with these arguments would score, after all checks that it makes; nothing is written.

    Raises:
        CuratorError: As `score_run`.
    """
    recipe = effective(recipe)
    listing = list_inputs(inputs)
    check_run_place(run, roots(listing))
    check_executor(asked)
    _refuse_rescoring(shard, rescore=rescore)
    with nullcontext() if shard is not None else looking_at(run):  # shards work beside each other
        claim_run(run, write=False)
        check_others(recipe, run, {})
        plan = plan_run(run, listing, recipe, rescore=rescore, shard=shard)[0]
    if shard is not None:
        check_share(plan)
        return with_means(plan, recipe, asked)
    return with_note_of_work(with_means(plan, recipe, asked))


def _refuse_rescoring(shard: Shard | None, *, rescore: bool) -> None:
    if shard is not None and rescore:
        raise StaleScoresError(
            "a shard cannot compute anew what others compute otherwise at the same time",
            act="run `score --rescore` without --shard, or let the shards fill another run directory",
        )
