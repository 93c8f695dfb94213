"""Embeddings alone: read, embed, and write them for other programs. The run beside them is a run like any other."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import cast

from nemo_curator import storage
from nemo_curator.errors import ConservationError, StaleScoresError
from nemo_curator.pipeline.embed_output import (
    Standing,
    check_run,
    claim,
    foreign_input,
    refuse_other_result,
    remove_output,
    stamp_of,
    standing,
    write_manifest,
)
from nemo_curator.pipeline.means import with_means
from nemo_curator.pipeline.numerics import ComputesModel
from nemo_curator.pipeline.output import check_places, claim_run, remove_run
from nemo_curator.pipeline.places import plain_place
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Exporting, Written
from nemo_curator.pipeline.run_plan import is_of_another_input, looking_at, with_note_of_work
from nemo_curator.pipeline.score import score, start
from nemo_curator.pipeline.score_plan import ScorePlan, newly_settled, plan_score, with_news
from nemo_curator.pipeline.scored import scored_partitions
from nemo_curator.pipeline.work import RESCORE_AND_REPLACE
from nemo_curator.planning.means import NOTHING, Asked
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.embedding_files import WrittenFile, extent_of, write_embedding_files, write_unreadable
from nemo_curator.runs.embedding_names import MANIFEST, EmbeddingSettings
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState
from nemo_curator.shards.listing import Listing, list_inputs


@dataclass(frozen=True, slots=True)
class Embedded:
    """What an embedding of images did.

    Attributes:
        output: Where the files lie.
        run: The run directory inside.
        plan: What there was to read.
        model: Name of the model.
        dimension: Numbers in an embedding.
        images: How many images have one.
        unreadable: Error code to how many inputs could not be read.
        files: What was written, in order.
        written: False where all of it was there already.
    """

    output: str
    run: RunDirectory
    plan: ScorePlan
    model: str
    dimension: int
    images: int
    unreadable: dict[str, int]
    files: tuple[WrittenFile, ...]
    written: bool = True


def embed(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    settings: EmbeddingSettings,
    *,
    workers: int | None = None,
    memory: int | None = None,
    replace: bool = False,
    rescore: bool = False,
    watcher: Watcher | None = None,
) -> Embedded:
    """Embed the images of some inputs, and write the embeddings as files.

    What an earlier or interrupted run of the same input has computed is used, and only what is missing is computed.

    Args:
        inputs: Folders, tars, image files, each optionally as `NAME=PATH`.
        output: Folder or URL.
        recipe: Its one score gives embeddings.
        settings: How they are written.
        workers: Worker processes; one a CPU core by default.
        memory: Bytes that all processes may take together; a share of the machine's by default.
        replace: Put the result in the place of an earlier one of ours.
        rescore: Compute embeddings again that were computed in another way, and those of files that changed.
        watcher: Told of the progress.

    Raises:
        InputError: An input is missing or empty, or two inputs give one id.
        OutputError: The output holds something else, cannot be written, or is in use.
        StaleScoresError: Stored embeddings are other ones than are asked for, and `rescore` was not said.
        ModelError: The model cannot be used.
        MemoryBudgetError: `memory` is too little.
        StageError: The model failed on everything.
    """
    watcher = watcher or Watcher()
    output = plain_place(output)
    run = RunDirectory(storage.join(output, "run"))
    listing = list_inputs(inputs)
    asked = Asked(workers, memory)
    storage.refuse_held(run.root)  # what is to be said of a run at work may be another thing when it has ended
    with_means(_plan(listing, output, run, recipe, settings, replace=replace, rescore=rescore)[0], recipe, asked)
    began = time.perf_counter()
    with ExitStack() as held:
        held.callback(watcher.close)
        held.enter_context(storage.locked(run.root))
        if is_of_another_input(run, listing):  # told to replace it: `_plan` refused it otherwise
            remove_output(output, run)
            remove_run(run)
        claim_run(run)
        plan, there = _plan(listing, output, run, recipe, settings, replace=replace, rescore=rescore)
        if there.is_whole:
            return _as_it_stands(output, plan, there)
        plan = _settled(plan, listing, recipe, rescore=rescore, memory=memory, watcher=watcher)
        claim(output, run, replace=replace).sweep()
        if there.manifest and not replace:  # a file of it is gone: it is no finished result any more
            storage.remove(storage.join(output, MANIFEST))
        start(plan, recipe, rescore=rescore, embeds=True)
        plan = with_means(plan, recipe, asked)
        taken = score(plan, recipe, asked=asked, watcher=watcher)
        scored = time.perf_counter()
        embedded = _write(output, plan, settings, watcher)
        state = RunState.require(run)
        state.stages_took(taken)
        state.finish({"score": scored - began, "write": time.perf_counter() - scored}, taken)
        state.write()
    return embedded


def preview_embed(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    settings: EmbeddingSettings,
    *,
    asked: Asked = NOTHING,
    replace: bool = False,
    rescore: bool = False,
) -> ScorePlan:
    """What `embed` with these arguments would compute, after all checks that it makes; nothing is written.

    Raises:
        CuratorError: As `embed`.
    """
    output = plain_place(output)
    run = RunDirectory(storage.join(output, "run"))
    with looking_at(run):
        plan, _ = _plan(list_inputs(inputs), output, run, recipe, settings, replace=replace, rescore=rescore)
    return with_note_of_work(with_means(plan, recipe, asked))


def _plan(
    listing: Listing,
    output: str,
    run: RunDirectory,
    recipe: Recipe,
    settings: EmbeddingSettings,
    *,
    replace: bool,
    rescore: bool,
) -> tuple[ScorePlan, Standing]:
    """What there is to compute, and what stands in the output; everything that can be refused is refused."""
    check_places(output, run, [entry.root or entry.location for entry in listing.entries])
    check_run(run)
    claim(output, run, replace=replace)
    foreign = is_of_another_input(run, listing)
    if foreign and not (replace and rescore):
        raise foreign_input(output)
    if not foreign:
        claim_run(run, write=False)
    there = standing(output, run, settings)
    try:
        plan = plan_score(RunDirectory("") if foreign else run, listing, recipe, rescore=rescore)
    except StaleScoresError as error:
        if there.manifest and not replace:  # else the next command would be refused for that
            error.act = RESCORE_AND_REPLACE
        raise
    plan = dataclasses.replace(plan, run=run)
    if plan.work.partitions:
        there = dataclasses.replace(there, is_whole=False, is_same=False)
    if not replace:
        refuse_other_result(there, output)
    return plan, there


def _settled(
    plan: ScorePlan, listing: Listing, recipe: Recipe, *, rescore: bool, memory: int | None, watcher: Watcher
) -> ScorePlan:
    """The plan, after it is settled how the model is computed, where the recipe leaves that open."""
    settled = newly_settled(plan, recipe, listing, rescore=rescore, memory=memory, watcher=watcher)
    if not settled:
        return plan
    return with_news(plan_score(plan.run, listing, recipe, rescore=rescore, settled=settled), settled)


def _as_it_stands(output: str, plan: ScorePlan, there: Standing) -> Embedded:
    facts = there.manifest
    files = tuple(WrittenFile(one["name"], one["rows"], one["bytes"]) for one in facts["files"])
    return Embedded(
        output, plan.run, plan, facts["model"], facts["dimension"], facts["images"], facts["unreadable"], files, False
    )


def _write(output: str, plan: ScorePlan, settings: EmbeddingSettings, watcher: Watcher) -> Embedded:
    """Write all files, the manifest last; what stood there before is removed first."""
    run, state = plan.run, RunState.require(plan.run)
    ids = scored_partitions(run, state)
    spec = cast("ComputesModel", plan.scoring.stages[0]).computed_model()
    model, extent = spec.name, extent_of(run, ids, spec.dimension)
    remove_output(output, run)
    watcher.told(Exporting(extent.images))
    files = write_embedding_files(run, ids, output, settings, extent, lambda images: watcher.told(Written(images)))
    unreadable, listed = write_unreadable(run, ids, output)
    if extent.images + sum(unreadable.values()) != extent.inputs:
        raise ConservationError(
            f"{extent.images:,} embeddings and {sum(unreadable.values()):,} unreadable inputs are not "
            f"{extent.inputs:,} inputs",
            where=run.root,
            act="keep the run directory and report it",
        )
    files += [listed] if listed is not None else []
    state.embedded({"settings": settings.facts, "stamp": stamp_of(run, ids)})
    state.write()  # before the manifest, which says that all is there
    embedded = Embedded(output, run, plan, model, extent.dimension, extent.images, unreadable, tuple(files))
    write_manifest(
        output,
        model=model,
        dimension=extent.dimension,
        images=extent.images,
        unreadable=unreadable,
        files=files,
        settings=settings,
        state=state,
    )
    return embedded
