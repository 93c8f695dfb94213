"""Decontaminate: which images of a data set show some of a protect set, and the data set without them."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import dataclass

from nemo_curator import storage
from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.pipeline.curate import Summary, curate
from nemo_curator.pipeline.datasets import DataSet, open_data_set
from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.output import check_places, check_run_place
from nemo_curator.pipeline.places import plain_place
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.pipeline.set_names import is_pattern
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.deciding.leaks import By, Leaks, read_leaks
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState


@dataclass(frozen=True, slots=True)
class Decontaminated:
    """What was found in a data set.

    Attributes:
        funnel: How its inputs ended.
        leaks: The protected images that they show.
        summary: What was written; None where nothing was to be.
    """

    funnel: Funnel
    leaks: Leaks
    summary: Summary | None


def decontaminate(
    place: str,
    recipe: Recipe,
    *,
    output: str | None = None,
    run_dir: str | None = None,
    leaks_file: str | None = None,
    by: By = "protected",
    limit: int = 20,
    ends: int = 10,
    workers: int | None = None,
    watcher: Watcher | None = None,
) -> Decontaminated:
    """Look for leaks in a data set, and write it without them where that is asked for. It is left as it is.

    Args:
        place: The data set: one of ours, a tar, a Parquet of images, a folder, a pattern.
        recipe: Its `protect` and the kinds of its `duplicates` count, and how to compute what they need.
        output: Folder or URL for the data set without what leaks; none is written by default.
        run_dir: Run directory; by default `run` in the output, or else a temporary one.
        leaks_file: Where to write the leaks as Parquet, if anywhere.
        by: Whether to list protected images, or images that show them.
        limit: How many of these to list at most.
        ends: Of each how many at its other end at most.
        workers: Worker processes; one a CPU core by default.
        watcher: Told of the progress.

    Raises:
        InputError: The data set, or a protect set, is not there.
        OutputError: The output holds something, or there is a file of leaks already.
        CuratorError: As `curate`.
    """
    watcher = watcher or Watcher()
    data = _opened(place)
    if leaks_file is not None and storage.exists(leaks_file):
        raise OutputExistsError("this exists already", where=leaks_file, act="name another file")
    with scratch_folder() if not (output or run_dir) else nullcontext("") as folder:
        run = RunDirectory(plain_place(run_dir) if run_dir else storage.join(output or folder, "run"))
        summary = None
        if output is not None:
            check_places(plain_place(output), run, [] if is_pattern(place) else [place])
            written = _written_as(recipe, data)
            summary = curate(data.inputs, output, written, run_dir=run_dir, workers=workers, watcher=watcher)
            funnel = summary.funnel
        else:
            check_run_place(run, [] if is_pattern(place) else [place])
            score_run(data.inputs, run, recipe, workers=workers, watcher=watcher)
            funnel = decide_locked(run, recipe, workers=workers, watcher=watcher)
        found = read_leaks(run, by, limit, ends)
        if leaks_file is not None:
            with storage.open(run.leaks) as source, storage.write_atomic(leaks_file) as target:
                shutil.copyfileobj(source, target)
    return Decontaminated(funnel, found, summary)


def _opened(place: str) -> DataSet:
    if RunState.read(RunDirectory(place)) is not None:
        raise InputError(
            "this is a run directory, and not a data set",
            where=place,
            act="decide it with `imagecurator decide RUN --protect DATASET`",
        )
    return open_data_set(place)


def _written_as(recipe: Recipe, data: DataSet) -> Recipe:
    """The recipe with the format that the data set has, unless it says one."""
    if "format" in recipe.export.model_fields_set:
        return recipe
    export = recipe.export.model_copy(update={"format": data.format})
    return recipe.model_copy(update={"export": export})
