"""The fused chain of a scoring: read, annotate, write the part; where it is lazy, a gate before each dearer class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nemo_curator.pipeline.annotate import AnnotateStage
from nemo_curator.pipeline.scoring import Passing, Scoring, Stage, classes, stands_on_stored
from nemo_curator.planning.reading import plan_reading
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Rule
from nemo_curator.runs.embedding_reader import EmbeddingReaderStage
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.lazy_gate import LazyGateStage
from nemo_curator.runs.part_writer import PartWriterStage
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.embedding_fit import gives_embeddings
from nemo_curator.stages.image.io.image_reader import ImageReaderStage


def score_chain(
    run: RunDirectory,
    scoring: Scoring,
    recipe: Recipe,
    some: Sequence[Stage] | None = None,
    *,
    beside_others: bool = False,
) -> list[ProcessingStage[Any, Any]]:
    """The stages that a partition goes through.

    Args:
        run: The run directory.
        scoring: What the recipe comes to.
        recipe: The recipe.
        some: Those of its stages that put their columns into parts which are there; None writes whole parts. Where they
            need embeddings and the embedder is not among them, what is stored stands in its place.
        beside_others: Whether other processes may write the same parts.
    """
    chosen = scoring.stages if some is None else tuple(some)
    annotators = _annotators(run, scoring, chosen)
    embeds = any(map(gives_embeddings, chosen))
    writer = PartWriterStage(run.root, scoring.columns, embeddings=embeds, fingerprints=scoring.fingerprints)
    writer.beside_others = beside_others
    reading = plan_reading([*annotators, writer])
    if some is not None:
        writer.merging = scoring.merging(chosen, decodes=reading.decodes)
        writer.fingerprints = {name: scoring.fingerprints[name] for name in writer.merging.columns}
    reader = ImageReaderStage(
        views=reading.views,
        pixels=reading.pixels,
        limits=recipe.limits.as_limits(),
        options=recipe.decode.as_options(),
        verbose=False,
    )
    return [reader, *annotators, writer]


def _annotators(run: RunDirectory, scoring: Scoring, chosen: Sequence[Stage]) -> list[Stage]:
    """The chosen stages in their order; in the embedder's place, if they need that, what reads its stored results."""
    found: list[Stage] = []
    asked: Mapping[int, Rule] = {}
    passing = scoring.lazy or (Passing({}),) * len(scoring.stages)
    for index, (stage, one) in enumerate(zip(scoring.stages, passing, strict=True)):
        if any(stage is other for other in chosen):  # not by what it equals: fields of a user's may be arrays
            if not one.rules.keys() <= asked.keys():
                asked = _asked(scoring, chosen, index)
                found.append(LazyGateStage(asked, scoring.columns, one.allow))
            found.append(AnnotateStage(stage, one.rules))
        elif gives_embeddings(stage) and stands_on_stored(chosen):
            found.append(EmbeddingReaderStage(run.root, scoring.fingerprints[EMBEDDING]))
    return found


def _asked(scoring: Scoring, chosen: Sequence[Stage], first: int) -> dict[int, Rule]:
    """Number to rule, of all that some chosen stage of the same cost class, from the first on, is passed over by."""
    costs = classes(scoring.stages)
    rules: dict[int, Rule] = {}
    for stage, cost, one in zip(scoring.stages[first:], costs[first:], scoring.lazy[first:], strict=True):
        if cost is costs[first] and any(stage is other for other in chosen):
            rules |= one.rules
    return dict(sorted(rules.items()))
