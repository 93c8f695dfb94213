"""The main job: read, score, decide, export."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from nemo_curator import storage
from nemo_curator.backends.choosing import check_executor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import OutputExistsError, StaleScoresError
from nemo_curator.pipeline.decide import decide_run, lists_of
from nemo_curator.pipeline.export import export_run
from nemo_curator.pipeline.lazy import policy_on
from nemo_curator.pipeline.means import with_means
from nemo_curator.pipeline.others import check_others, other_sets
from nemo_curator.pipeline.output import (
    check_places,
    check_run_place,
    claim_output,
    claim_run,
    remove_run,
)
from nemo_curator.pipeline.places import plain_place
from nemo_curator.pipeline.policy import anchored, fitting, without_places
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Deciding
from nemo_curator.pipeline.score import ScorePlan, newly_settled, plan_score, score, start, with_news
from nemo_curator.pipeline.score_together import score_together, share_of
from nemo_curator.pipeline.scoring import plan_scoring
from nemo_curator.pipeline.shape import Shape
from nemo_curator.pipeline.work import RESCORE_AND_REPLACE
from nemo_curator.planning.means import LOCAL, NOTHING, Asked
from nemo_curator.planning.numerics import Settled
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.sharding import Shard
from nemo_curator.runs.deciding import Funnel, Policy
from nemo_curator.runs.exporting import Exported, delivered, refuse_documents
from nemo_curator.runs.growth import grow
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.state import RunState
from nemo_curator.shards.listing import Listing, list_inputs


@dataclass(slots=True)
class Summary:
    """What a run did.

    Attributes:
        output: Where the data set lies.
        run: Its run directory.
        plan: What there was to score.
        funnel: How the inputs ended.
        exported: What was written.
        seconds: Seconds by phase: `score`, `decide`, `export`.
    """

    output: str
    run: RunDirectory
    plan: ScorePlan
    funnel: Funnel
    exported: Exported
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def ignored(self) -> list[str]:
        """Files that were seen and are no input (hidden files, licences, read-mes)."""
        return [path for path, _ in self.plan.ignored]

    @property
    def bytes(self) -> int:
        """Bytes of the inputs."""
        return sum(one.size for one in self.plan.partitions)


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


def curate(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    *,
    run_dir: str | None = None,
    workers: int | None = None,
    memory: int | None = None,
    executor: str = LOCAL,
    address: str | None = None,
    replace: bool = False,
    rescore: bool = False,
    skip_missing: bool = False,
    watcher: Watcher | None = None,
    crew: Crew | None = None,
) -> Summary:
    """Curate the images of some inputs into a data set.

    What an earlier or interrupted run of the same input has computed is used, and only what is missing is computed.

    Args:
        inputs: Folders, tars, image files, each optionally as `NAME=PATH`.
        output: Folder or URL of the data set.
        recipe: What to compute and reject.
        run_dir: Run directory; `run` inside the output by default.
        workers: Worker processes; one a CPU core by default.
        memory: Bytes that all processes may take together; a share of the machine's by default.
        executor: Where images are read and scored: `local`, or `ray`.
        address: Of the Ray cluster; by default what `RAY_ADDRESS` says, else one is started on this machine.
        replace: Put the result in the place of an earlier one in `output`; scores of the same input stay.
        rescore: Compute columns again that were computed in another way, and files that changed.
        skip_missing: Leave out samples whose source is gone or changed, instead of ending the export.
        watcher: Told of the progress.
        crew: Where workers come from; the caller closes it.

    Raises:
        InputError: An input is missing or empty, or two inputs give one id.
        OutputError: The output holds something else, cannot be written, or is in use.
        StaleScoresError: Stored scores are other ones than the recipe asks for, and `rescore` was not said.
        RecipeError: The recipe names an unknown score, column or parameter.
        ModelError: A model cannot be used.
        MemoryBudgetError: `memory` is too little.
        MissingExtraError: The executor's package is not installed.
        StageError: A stage failed on everything, or no cluster answers.
    """
    watcher = watcher or Watcher()
    output = plain_place(output)
    run = RunDirectory(plain_place(run_dir) if run_dir else storage.join(output, "run"))
    recipe = effective(recipe)
    listing = list_inputs(inputs)
    check_places(output, run, _roots(listing))
    asked = Asked(workers, memory, executor, address)
    check_executor(asked)
    first, policy = _plan_curate(listing, output, run, recipe, replace=replace, rescore=rescore)
    with_means(first, recipe, asked)  # too little memory is said before anything is written
    clock = _Clock()
    with ExitStack() as held:
        held.callback(watcher.close)
        held.enter_context(storage.locked(run.root))
        if replace and rescore and _is_of_another_input(run, listing):
            remove_run(run, output)
        claim_run(run, output, replace=replace)
        plan, policy = _settled_plan(
            (first, policy), listing, recipe, rescore=rescore, asked=asked, watcher=watcher, crew=crew
        )
        plan = with_means(plan, recipe, asked)
        _start_ahead(crew, plan)
        start(plan, recipe, rescore=rescore)
        taken = score(plan, recipe, asked=asked, policy=policy, watcher=watcher, crew=crew)
        if crew is not None:
            crew.dismiss()
        clock.lap("score")
        watcher.told(Deciding())
        funnel = decide_run(run, recipe, workers=asked.here.workers, memory=memory, watcher=watcher)
        clock.lap("decide")
        exported = export_run(
            run,
            output,
            recipe,
            replace=replace,
            skip_missing=skip_missing,
            watcher=watcher,
            workers=workers,
            memory=memory,
        )
        clock.lap("export")
        state = RunState.require(run)
        state.stages_took(taken)
        state.finish(clock.seconds)
        state.write()
    return Summary(output, run, plan, funnel, exported, clock.seconds)


def preview_curate(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    *,
    run_dir: str | None = None,
    asked: Asked = NOTHING,
    replace: bool = False,
    rescore: bool = False,
) -> ScorePlan:
    """What `curate` with these arguments would score, after all checks that it makes; nothing is written.

    Raises:
        CuratorError: As `curate`.
    """
    output = plain_place(output)
    run = RunDirectory(plain_place(run_dir) if run_dir else storage.join(output, "run"))
    listing = list_inputs(inputs)
    check_places(output, run, _roots(listing))
    check_executor(asked)
    recipe = effective(recipe)
    plan, _ = _plan_curate(listing, output, run, recipe, replace=replace, rescore=rescore)
    return with_means(plan, recipe, asked)


def _plan_curate(
    listing: Listing, output: str, run: RunDirectory, recipe: Recipe, *, replace: bool = False, rescore: bool = False
) -> tuple[ScorePlan, Policy]:
    foreign = replace and rescore and _is_of_another_input(run, listing)
    if not foreign:
        claim_run(run, output, replace=replace, write=False)
    check_others(recipe, run, {})
    manifest = delivered(output)
    if recipe.export.card and (manifest is None or replace):  # else they may be ours and not listed yet
        refuse_documents(output)
    try:
        plan, policy = _plan(RunDirectory("") if foreign else run, listing, recipe, rescore=rescore)
    except StaleScoresError as error:
        if manifest is not None and not replace:  # else the next command would be refused for that
            error.act = RESCORE_AND_REPLACE
        raise
    plan = dataclasses.replace(plan, run=run)
    if manifest is not None and not replace:
        _refuse_other_result(manifest, output, recipe, plan, policy)
    else:
        claim_output(output, run, _shape(recipe), replace=replace, write=False)
    return plan, policy


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
    check_run_place(run, _roots(listing))
    claim_run(run, write=False)
    check_others(recipe, run, {})
    asked = Asked(workers, memory, executor, address)
    check_executor(asked)
    first, policy = _plan(run, listing, recipe, rescore=rescore)
    with_means(first, recipe, asked)  # too little memory is said before anything is written
    if shard is not None:
        share_of(first, shard)

        def planner(settled: dict[str, Settled] | None) -> tuple[ScorePlan, Policy]:
            return _plan(run, listing, recipe, rescore=False, settled=settled)

        return score_together(planner, run, listing, recipe, shard, asked=asked, watcher=watcher, crew=crew)
    with ExitStack() as held:
        held.callback(watcher.close)
        held.enter_context(storage.locked(run.root))
        claim_run(run)
        plan, policy = _settled_plan(
            (first, policy), listing, recipe, rescore=rescore, asked=asked, watcher=watcher, crew=crew
        )
        plan = with_means(plan, recipe, asked)
        _start_ahead(crew, plan)
        start(plan, recipe, rescore=rescore)
        taken = score(plan, recipe, asked=asked, policy=policy, watcher=watcher, crew=crew)
        if crew is not None:
            crew.dismiss()
        state = RunState.require(run)
        state.stages_took(taken)
        state.write()
        other_sets(state, recipe, watcher, asked=asked)
    return plan


def _refuse_rescoring(shard: Shard | None, *, rescore: bool) -> None:
    if shard is not None and rescore:
        raise StaleScoresError(
            "a shard cannot compute anew what others compute otherwise at the same time",
            act="run `score --rescore` without --shard, or let the shards fill another run directory",
        )


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
    check_run_place(run, _roots(listing))
    claim_run(run, write=False)
    check_others(recipe, run, {})
    check_executor(asked)
    _refuse_rescoring(shard, rescore=rescore)
    plan = _plan(run, listing, recipe, rescore=rescore)[0]
    return with_means(plan if shard is None else share_of(plan, shard), recipe, asked)


def _start_ahead(crew: Crew | None, plan: ScorePlan) -> None:
    """Start the workers that a plan wants, while the run directory is prepared for them.

    Not before it is settled how models are computed: a trial of that plans with the whole budget of memory.
    """
    if crew is not None and plan.means is not None:
        crew.start_ahead(plan.means.shares.workers)


def _settled_plan(
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

    What was planned before the run was held stands if nobody had begun the run, and nobody has since.
    """
    (plan, policy), run = planned, planned[0].run
    if not plan.is_first or RunState.read(run) is not None:
        plan, policy = _plan(run, listing, recipe, rescore=rescore)
    settled = newly_settled(plan, recipe, listing, rescore=rescore, memory=asked.memory, watcher=watcher, crew=crew)
    if settled:
        plan, policy = _plan(run, listing, recipe, rescore=rescore, settled=settled)
        plan = with_news(plan, settled)
    check_others(recipe, run, _facts(plan, rescore=rescore))
    return plan, policy


def _facts(plan: ScorePlan, *, rescore: bool) -> dict[str, Mapping[str, Any]]:
    """What the columns will depend on: what is stored stays as it is, unless it may be computed again."""
    facts: dict[str, Mapping[str, Any]] = {one.name: one.facts for one in plan.scoring.planned}
    state = RunState.read(plan.run)
    if state is not None:
        stored = {name: state.column_facts(name) or {} for name in state.fingerprints}
        facts = {**stored, **facts} if rescore else {**facts, **stored}
    return facts


def _plan(
    run: RunDirectory,
    listing: Listing,
    recipe: Recipe,
    *,
    rescore: bool,
    settled: Mapping[str, Settled] | None = None,
) -> tuple[ScorePlan, Policy]:
    """What to score, and how to decide on it: rules may use the recipe's columns and those that are there already."""
    plan = plan_score(run, listing, recipe, rescore=rescore, settled=settled)
    state = RunState.read(run)
    if state is not None:
        plan = dataclasses.replace(plan, notes=(*plan.notes, *_dropped_rules(state.recipe, recipe)))
    return plan, policy_on(plan.scoring, recipe, state)


def _dropped_rules(stored: Mapping[str, Any], recipe: Recipe) -> Iterator[str]:
    """What to say where the run was decided by rules that are in force no more."""
    rules = stored.get("rules") or {}
    dropped = [str(name) for name, text in rules.items() if recipe.rules.get(name) != text]
    if dropped:
        yield f"rules of the recipe in force before that hold no more: {', '.join(dropped)}"


def _refuse_other_result(
    manifest: Mapping[str, Any], output: str, recipe: Recipe, plan: ScorePlan, policy: Policy
) -> None:
    same = manifest.get("recipe") == without_places(recipe).model_dump(mode="json")
    same = same and manifest.get("lists") == lists_of(policy)
    if plan.work.partitions or not same:
        raise OutputExistsError(
            "this holds a finished data set of another recipe"
            if not same
            else "this holds a finished data set, and there is more to score since",
            where=output,
            act="choose another OUTPUT, or pass --replace to write this one in its place (its scores are used again)",
        )


def _shape(recipe: Recipe) -> Shape:
    """The names that an export may use, before it is known how many."""
    return Shape(recipe.export.format, dict.fromkeys(recipe.split.shares if recipe.split else [""]))


def _is_of_another_input(run: RunDirectory, listing: Listing) -> bool:
    return RunState.read(run) is not None and grow(read_partitions(run), listing.entries).foreign


def _roots(listing: Listing) -> list[str]:
    return [entry.root or entry.location for entry in listing.entries]


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, phase: str) -> None:
        """The phase ends here, and the next begins."""
        now = time.perf_counter()
        self.seconds[phase] = now - self._since
        self._since = now
