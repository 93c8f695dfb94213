"""The main job: read, score, decide, export."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_curator import storage
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.pipeline.annotate import AnnotateStage
from nemo_curator.pipeline.output import claim, plain_place, real_place, remove_leftovers
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.scoring import Scoring, plan_scoring
from nemo_curator.planning.reading import plan_reading
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel, decide, preview
from nemo_curator.runs.exporting import Exported, export, write_manifest
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.part_writer import PartWriterStage
from nemo_curator.runs.partitions import write_partitions
from nemo_curator.runs.parts import read_part
from nemo_curator.runs.state import done_partitions, open_or_start
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import Partition, partition
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.tasks import Task


@dataclass(slots=True)
class Summary:
    """What a run did.

    Attributes:
        output: Where the data set lies.
        run: Its run directory.
        funnel: How the inputs ended.
        exported: What was written.
        ignored: Files that were seen and are no input (hidden files, licences, read-mes).
        bytes: Bytes of the inputs.
        seconds: Seconds by phase: `score`, `decide`, `export`.
    """

    output: str
    run: RunDirectory
    funnel: Funnel
    exported: Exported
    ignored: list[str]
    bytes: int
    seconds: dict[str, float] = field(default_factory=dict)


def curate(
    inputs: Sequence[str],
    output: str,
    recipe: Recipe,
    *,
    run_dir: str | None = None,
    workers: int | None = None,
    replace: bool = False,
    watcher: Watcher | None = None,
) -> Summary:
    """Curate the images of some inputs into a data set.

    Args:
        inputs: Folders, tars, image files, each optionally as `NAME=PATH`.
        output: Folder or URL of the data set.
        recipe: What to compute and reject.
        run_dir: Run directory; `run` inside the output by default.
        workers: Worker processes; one a CPU core by default.
        replace: Remove an earlier result in `output` first.
        watcher: Told of the progress.

    Raises:
        InputError: An input is missing or empty, or two inputs give one id.
        OutputError: The output holds something else, or cannot be written.
        RecipeError: The recipe names an unknown score, column or parameter.
        ModelError: A model cannot be used.
        StageError: A stage failed on everything.
    """
    watcher = watcher or Watcher()
    output = plain_place(output)
    run = RunDirectory(plain_place(run_dir) if run_dir else storage.join(output, "run"))
    scoring = plan_scoring(recipe)
    listing = list_inputs(inputs)
    ignored = [path for path, _ in listing.ignored]
    partitions = partition(listing.entries)
    claim(output, run, [entry.root or entry.location for entry in listing.entries], replace=replace)
    clock = _Clock()
    try:
        state = open_or_start(
            run, real_place(output), recipe.model_dump(mode="json"), scoring.columns, partitions, ignored
        )
        write_partitions(run, partitions)
        _score(run, partitions, scoring, recipe, workers, watcher)
        clock.lap("score")
        watcher.deciding()
        funnel = decide(run, [one.id for one in partitions], scoring.policy)
        clock.lap("decide")
        watcher.exporting(funnel.kept)
        exported = export(run, partitions, output, recipe.export.shard_size or 1000, watcher.exported)
        remove_leftovers(output, [file.name for file in exported.files])
        write_manifest(output, recipe.model_dump(mode="json"), funnel, exported)
        clock.lap("export")
        state.finish(clock.seconds)
    finally:
        watcher.close()
    size = sum(one.size for one in partitions)
    return Summary(output, run, funnel, exported, ignored, size, clock.seconds)


def _score(
    run: RunDirectory,
    partitions: Sequence[Partition],
    scoring: Scoring,
    recipe: Recipe,
    workers: int | None,
    watcher: Watcher,
) -> None:
    """Compute the parts that are missing."""
    done = done_partitions(run, partitions)
    missing = [one for one in partitions if one.id not in done]
    watcher.planned(len(partitions), sum(one.size for one in missing), len(done))
    if not missing:
        return

    def on_done(index: int, _: list[Task[Any]]) -> None:
        watcher.scored(preview(read_part(run, missing[index].id), scoring.policy), missing[index].size)

    config: dict[str, Any] = {"image_seconds": recipe.limits.seconds}
    if workers is not None:
        config["num_workers"] = workers
    executor = LocalExecutor(config, progress=lambda _, records: watcher.read(records), on_done=on_done)
    executor.execute(_chain(run, scoring, recipe), [partition_task(one) for one in missing])


def _chain(run: RunDirectory, scoring: Scoring, recipe: Recipe) -> list[ProcessingStage[Any, Any]]:
    """The fused chain of a scoring run: read, annotate, write the part."""
    annotators = [AnnotateStage(stage) for stage in scoring.stages]
    writer = PartWriterStage(run.root, scoring.columns, embeddings=scoring.embeds)
    reading = plan_reading([*annotators, writer])
    reader = ImageReaderStage(
        views=reading.views, pixels=reading.pixels, limits=recipe.limits.as_limits(), verbose=False
    )
    return [reader, *annotators, writer]


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
