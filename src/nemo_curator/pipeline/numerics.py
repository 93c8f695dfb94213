"""Settle how the models of a run are computed: once, by a trial on its own images, before anything is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.local.crew import Crew
from nemo_curator.cores import usable_cores
from nemo_curator.errors import ModelError, StageError
from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics, candidates, choose, is_tower
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Trying
from nemo_curator.planning.means import Asked
from nemo_curator.planning.numerics import (
    ASKED_FOR,
    LEAST_IMAGES,
    NOTHING_ELSE,
    RECORDED,
    TOO_FEW,
    Settled,
    asked_for,
    sample_of,
    settled_in,
    to_measure,
)
from nemo_curator.planning.recipe import InferenceSection, Recipe
from nemo_curator.runs.state import RunState
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.partitioning import Partition
from nemo_curator.shards.sample_size import sample_bytes
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.partition_tasks import partition_task
from nemo_curator.stages.image.numerics_trial import NumericsTrialStage, Trial, TrialTask, Tried
from nemo_curator.stages.worker import MOST
from nemo_curator.tasks import FileGroupTask

_FEW = LEAST_IMAGES // 2  # readable images of a sample without which it says nothing

Stage = ProcessingStage[Any, Any]


@runtime_checkable
class ComputesModel(Protocol):
    """A stage that computes a model of the registry, by a runtime and in a precision that can be chosen."""

    runtime: str | None
    precision: str | None
    model_dir: str | None

    def computed_model(self) -> registry.ModelSpec:
        """The model."""
        ...


def record(state: RunState, settled: Mapping[str, Settled], stages: Sequence[Stage]) -> None:
    """Write into a run's state what is settled; of other models than the stages' what is there stays.

    What was settled once, and is not how a stage computes now, because its recipe says otherwise, is forgotten.
    """
    now = {spec.name: _own(stage) for stage in stages if (spec := _computed(stage)) is not None}
    held = {**settled_in(state.facts), **settled}
    ways = {name: (one.numerics.runtime, one.numerics.precision) for name, one in held.items()}
    kept = {name: one.facts() for name, one in held.items() if now.get(name, ways[name]) == ways[name]}
    if kept or RECORDED in state.facts:
        state.facts[RECORDED] = kept


def settled_stage(stage: Stage, inference: InferenceSection, settled: Mapping[str, Settled]) -> Stage:
    """The stage with runtime and precision set: as the recipe says, else as settled, else in full precision.

    Raises:
        ModelError: This machine cannot compute its model in that way.
    """
    spec = _computed(stage)
    if spec is None:
        return stage
    chosen = _chosen(stage, spec, inference, settled)
    try:
        changed: Stage = replace(cast("Any", stage), runtime=chosen.runtime, precision=chosen.precision)
    except ModelError as error:
        held = settled.get(spec.name)
        if held is not None and held.numerics == chosen:
            error.cause = error.cause or f"the run was begun in {chosen}, and is not mixed with another one"
        raise
    return changed


def settle(
    stages: Sequence[Stage],
    recipe: Recipe,
    entries: Sequence[Entry],
    held: Mapping[str, Settled],
    watcher: Watcher,
    memory: int | None = None,
    crew: Crew | None = None,
) -> dict[str, Settled]:
    """Settle what is open: try lower precisions of each model on a sample of the input, and choose runtimes.

    Args:
        stages: The score stages of the recipe, before `settled_stage`.
        recipe: The recipe.
        entries: The input.
        held: What is settled already.
        watcher: Told before models are tried.
        memory: Bytes that all processes may take together; None leaves it to us.
        crew: Where the worker of a trial comes from.

    Returns:
        Model to how it is computed, for those whose precision or runtime the recipe leaves open; those that are held
        for the same weights among them.

    Raises:
        WeightsError: A model's weights are damaged or of another model.
    """
    settled: dict[str, Settled] = {}
    trials: list[Trial] = []
    for stage in stages:
        spec = _computed(stage)
        if spec is None or not spec.precisions or spec.name in settled:
            continue
        runtime, precision = asked_for(spec, _own(stage), recipe.inference)
        if runtime is not None and precision is not None:
            continue
        weights, before = registry.identity(spec, _model_dir(stage)), held.get(spec.name)
        if before is not None and before.weights == weights and before.answers(runtime, precision):
            settled[spec.name] = before
            continue
        if precision is not None:  # by which runtime depends on the machine, so that it is held like any choice
            settled[spec.name] = Settled(choose(spec.precisions, runtime, precision), weights, why=ASKED_FOR)
            continue
        ways = candidates(spec.precisions, runtime)
        why = "" if len(ways) > 1 else NOTHING_ELSE
        settled[spec.name] = Settled(ways[-1], weights, why=why)
        if len(ways) > 1:
            trials.append(Trial(spec.name, _model_dir(stage), ways, _heads(stages, spec.name)))
    return {**settled, **_tried(trials, settled, recipe, entries, watcher, memory, crew)}


def unheard(stages: Sequence[Stage], inference: InferenceSection) -> list[str]:
    """Which models are not computed as the recipe wants all of them to be, in a sentence each choice.

    Args:
        stages: The score stages of a recipe.
        inference: What it says of all models.
    """
    told = []
    models = {spec.name: (spec, _own(stage)) for stage in stages if (spec := _computed(stage)) is not None}
    precision, runtime = inference.precision, inference.runtime
    if precision not in {"auto", "fp32"}:
        deaf = [name for name, (spec, own) in models.items() if own[1] is None and precision not in spec.precisions]
        if deaf:
            told.append(f"`inference.precision: {precision}` is not for {_are(deaf)} computed in fp32 alone")
    if runtime == "torch":
        deaf = [name for name, (spec, own) in models.items() if own[0] is None and not is_tower(spec.precisions)]
        if deaf:
            told.append(f"`inference.runtime: torch` is not for {_are(deaf)} computed on the CPU by onnxruntime alone")
    return told


def _are(models: Sequence[str]) -> str:
    return f"{' and '.join(models)}, which {'is' if len(models) == 1 else 'are'}"


def _tried(
    trials: Sequence[Trial],
    open_: Mapping[str, Settled],
    recipe: Recipe,
    entries: Sequence[Entry],
    watcher: Watcher,
    memory: int | None,
    crew: Crew | None,
) -> dict[str, Settled]:
    if not trials:
        return {}
    chosen, each, images = sample_of(entries, sample_bytes(to_measure(entries)))
    if not chosen:
        return {one.model: replace(open_[one.model], why=TOO_FEW) for one in trials}
    watcher.told(Trying(tuple(one.model for one in trials)))
    try:
        found = _run(trials, chosen, each, images, recipe, memory, crew)
    except StageError as error:
        return {one.model: replace(open_[one.model], why=f"the trial failed: {error}") for one in trials}
    return {one.model: _judged(open_[one.model], found.get(one.model, [])) for one in trials}


def _judged(open_: Settled, tried: Sequence[Tried]) -> Settled:
    """What a trial settles."""
    images = tried[-1].agreement.images if tried else 0
    if images < _FEW:
        return replace(open_, why=f"only {images} of the images that were looked at can be read")
    figures = tuple(
        {
            **one.numerics.facts(),
            **one.agreement.facts(),
            "seconds": round(one.seconds, 6),
            "fp32_seconds": round(one.full_seconds, 6),
        }
        for one in tried
    )
    return replace(open_, numerics=tried[-1].numerics, tried=figures)


def _run(
    trials: Sequence[Trial],
    entries: tuple[Entry, ...],
    each: int,
    images: int,
    recipe: Recipe,
    memory: int | None,
    crew: Crew | None,
) -> dict[str, list[Tried]]:
    """Run trials in a worker process, because the sample may hold anything."""
    stage = NumericsTrialStage(trials, images, usable_cores())
    reader = ImageReaderStage(
        views=stage.needs().views,
        pixels=False,
        limits=recipe.limits.as_limits(),
        options=recipe.decode.as_options(),
        verbose=False,
    )
    task: FileGroupTask = partition_task(Partition(entries))
    task._metadata[MOST] = each
    config: dict[str, Any] = {"image_seconds": recipe.limits.seconds, "image_memory": recipe.limits.memory}
    config |= Asked(1, memory).config
    results = LocalExecutor(config, crew=crew).execute([reader, stage], [task])
    return {name: tried for one in results if isinstance(one, TrialTask) for name, tried in one.data.items()}


def _chosen(
    stage: Stage, spec: registry.ModelSpec, inference: InferenceSection, settled: Mapping[str, Settled]
) -> Numerics:
    runtime, precision = asked_for(spec, _own(stage), inference)
    held = settled.get(spec.name)
    if held is not None and held.answers(runtime, precision) and None in {runtime, precision}:
        return held.numerics
    return choose(spec.precisions, runtime, precision)


def _computed(stage: Stage) -> registry.ModelSpec | None:
    return stage.computed_model() if isinstance(stage, ComputesModel) else None


def _own(stage: Stage) -> tuple[str | None, str | None]:
    computes = cast("ComputesModel", stage)
    return computes.runtime, computes.precision


def _model_dir(stage: Stage) -> str | None:
    return cast("ComputesModel", stage).model_dir


def _heads(stages: Sequence[Stage], embedding: str) -> tuple[tuple[str, str | None], ...]:
    """Name and model directory of the heads among the scores that take a model's embeddings."""
    named = {getattr(stage, "model", None): getattr(stage, "model_dir", None) for stage in stages}
    return tuple(
        (one.name, named[one.name]) for one in registry.specs() if one.name in named and _takes(one, embedding)
    )


def _takes(spec: registry.ModelSpec | registry.HeadSpec, embedding: str) -> bool:
    return isinstance(spec, registry.HeadSpec) and embedding in spec.embeddings
