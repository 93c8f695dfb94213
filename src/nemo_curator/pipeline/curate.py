"""The main job: read, score, decide, export."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from nemo_curator import storage
from nemo_curator.backends.choosing import check_executor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.errors import OutputExistsError, StaleScoresError
from nemo_curator.pipeline.decide import decide_run, lists_of
from nemo_curator.pipeline.export import export_run
from nemo_curator.pipeline.means import with_means
from nemo_curator.pipeline.others import check_others
from nemo_curator.pipeline.output import (
    check_places,
    claim_output,
    claim_run,
    remove_run,
)
from nemo_curator.pipeline.places import plain_place
from nemo_curator.pipeline.policy import without_places
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Deciding
from nemo_curator.pipeline.run_plan import (
    effective,
    is_of_another_input,
    looking_at,
    plan_run,
    roots,
    settled_plan,
    start_ahead,
    with_note_of_work,
)
from nemo_curator.pipeline.score import score, start
from nemo_curator.pipeline.score_plan import ScorePlan
from nemo_curator.pipeline.shape import Shape
from nemo_curator.pipeline.work import RESCORE_AND_REPLACE
from nemo_curator.planning.means import LOCAL, NOTHING, Asked
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel, Policy
from nemo_curator.runs.exporting import Exported, delivered, refuse_documents
from nemo_curator.runs.layout import RunDirectory
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
    decided: Callable[[], None] = lambda: None,
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
        decided: Called when all is decided, before the export: what the caller needs later may start meanwhile.

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
    check_places(output, run, roots(listing))
    asked = Asked(workers, memory, executor, address)
    check_executor(asked)
    storage.refuse_held(run.root)  # what is to be said of a run at work may be another thing when it has ended
    first, policy = _plan_curate(listing, output, run, recipe, replace=replace, rescore=rescore)
    with_means(first, recipe, asked)  # too little memory is said before anything is written
    clock = _Clock()
    with ExitStack() as held:
        held.callback(watcher.close)
        held.enter_context(storage.locked(run.root))
        if replace and rescore and is_of_another_input(run, listing):
            remove_run(run, output)
        claim_run(run, output, replace=replace)
        plan, policy = settled_plan(
            (first, policy), listing, recipe, rescore=rescore, asked=asked, watcher=watcher, crew=crew
        )
        plan = with_means(plan, recipe, asked)
        start_ahead(crew, plan)
        start(plan, recipe, rescore=rescore)
        taken = score(plan, recipe, asked=asked, policy=policy, watcher=watcher, crew=crew)
        clock.lap("score")
        watcher.told(Deciding())
        funnel = decide_run(run, recipe, workers=asked.here.workers, memory=memory, watcher=watcher)
        clock.lap("decide")
        decided()
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
        state.finish(clock.seconds, taken)
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
    check_places(output, run, roots(listing))
    check_executor(asked)
    recipe = effective(recipe)
    with looking_at(run):
        plan, _ = _plan_curate(listing, output, run, recipe, replace=replace, rescore=rescore)
    return with_note_of_work(with_means(plan, recipe, asked))


def _plan_curate(
    listing: Listing, output: str, run: RunDirectory, recipe: Recipe, *, replace: bool = False, rescore: bool = False
) -> tuple[ScorePlan, Policy]:
    foreign = replace and rescore and is_of_another_input(run, listing)
    if not foreign:
        claim_run(run, output, replace=replace, write=False)
    check_others(recipe, run, {})
    manifest = delivered(output)
    if recipe.export.card and (manifest is None or replace):  # else they may be ours and not listed yet
        refuse_documents(output)
    try:
        plan, policy = plan_run(RunDirectory("") if foreign else run, listing, recipe, rescore=rescore)
    except StaleScoresError as error:
        if manifest is not None and not replace:  # else the next command would be refused for that
            error.act = RESCORE_AND_REPLACE
        raise
    plan = dataclasses.replace(plan, run=run)
    if manifest is not None and not replace:
        _refuse_other_result(manifest, output, recipe, plan, policy, rescore=rescore)
    else:
        claim_output(output, run, _shape(recipe), replace=replace, write=False)
    return plan, policy


def _refuse_other_result(
    manifest: Mapping[str, Any], output: str, recipe: Recipe, plan: ScorePlan, policy: Policy, *, rescore: bool
) -> None:
    same = manifest.get("recipe") == without_places(recipe).model_dump(mode="json")
    same = same and manifest.get("lists") == lists_of(policy)
    if plan.work.partitions or not same:
        raise OutputExistsError(
            "this holds a finished data set of another recipe"
            if not same
            else "this holds a finished data set, and there is more to score since",
            where=output,
            act="choose another OUTPUT, or pass --replace to write this one in its place"
            f"{'' if rescore else ' (its scores are used again)'}",
        )


def _shape(recipe: Recipe) -> Shape:
    """The names that an export may use, before it is known how many."""
    return Shape(recipe.export.format, dict.fromkeys(recipe.split.shares if recipe.split else [""]))


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
