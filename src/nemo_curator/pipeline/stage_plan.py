"""A scoring explained before it runs: its stages by cost, what each needs, where it runs, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from nemo_curator.kernels.view import View
from nemo_curator.pipeline.lazy import lazily, policy_on
from nemo_curator.pipeline.scoring import Scoring, Stage, classes, gives, plan_scoring
from nemo_curator.planning.reading import plan_reading
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.part_writer import PartWriterStage
from nemo_curator.stages.declarations import Cost, Needs

Place = Literal["decode workers", "inference process"]

_SHARED = "a large model: one copy of its weights serves all workers"
_OWN_MODEL = "small enough for each worker to hold, where the pictures are"
_CHEAP = "it costs less than handing a picture on"


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage of a scoring, in words.

    Attributes:
        name: Its name.
        cost: Its cost class: `header`, `statistics`, `model`.
        columns: What it gives; `embedding` for embeddings.
        needs: What it looks at, but for views.
        views: The views that it looks at, as they are described.
        runs: Where it is computed.
        why: Why there.
        skipped_by: Names of the rules for whose images a lazy scoring leaves it out.
        kept: Why by none, or why not by more; "" where nothing stands in the way.
    """

    name: str
    cost: str
    columns: tuple[str, ...]
    needs: tuple[str, ...]
    views: tuple[str, ...]
    runs: Place
    why: str
    skipped_by: tuple[str, ...]
    kept: str


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A scoring, in words.

    Attributes:
        lazy: Whether it is lazy. If not, the stages say what a lazy one would leave out.
        decodes: `nothing`, `once`, or `once, and keeps the full picture`.
        views: Every distinct view that is cut from that one decode.
        stages: The stages in the order in which they run.
        left_out: (name, what is missing) of scores that `all` leaves out.
    """

    lazy: bool
    decodes: str
    views: tuple[str, ...]
    stages: tuple[PlannedStage, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def facts(self) -> dict[str, Any]:
        """The plan as plain data."""
        return asdict(self)


def explain_scoring(recipe: Recipe) -> StagePlan:
    """What a recipe comes to; no input is looked at.

    Args:
        recipe: An effective recipe.

    Raises:
        RecipeError: A score, parameter or rule is not valid.
        ModelError: A model cannot be used.
        InputError: A list cannot be read.
    """
    complete = plan_scoring(recipe)
    scoring = lazily(complete, policy_on(complete, recipe, None))
    reading = plan_reading([*scoring.stages, PartWriterStage("")])
    kept = "once, and keeps the full picture" if reading.pixels else "once"
    return StagePlan(
        recipe.lazy,
        kept if reading.decodes else "nothing",
        tuple(map(described, reading.views)),
        tuple(_planned(scoring)),
        scoring.skipped,
    )


def described(view: View) -> str:
    """A view in words: `short side 256, cropped to 224, bicubic`."""
    if view.fit == "none":
        return f"the middle {view.crop} pixels square, as decoded" if view.crop else "all pixels, as decoded"
    side = {"short": "short side", "long": "long side", "squash": "both sides"}[view.fit]
    crop = f", cropped to {view.crop}" if view.crop else ""
    return f"{side} {view.size}{'' if view.enlarge else ' at most'}{crop}, {view.filter}"


def _planned(scoring: Scoring) -> list[PlannedStage]:
    return [
        PlannedStage(
            stage.name,
            cost.name.lower(),
            tuple(gives(stage)),
            tuple(_needs(stage.needs())),
            tuple(described(view) for view in _views(stage)),
            *_place(stage, cost),
            tuple(rule.name for rule in one.rules.values()),
            one.why,
        )
        for stage, cost, one in zip(scoring.stages, classes(scoring.stages), scoring.lazy, strict=True)
    ]


def _place(stage: Stage, cost: Cost) -> tuple[Place, str]:
    if stage.shared_models():
        return "inference process", _SHARED
    return "decode workers", _OWN_MODEL if cost is Cost.MODEL else _CHEAP


def _views(stage: Stage) -> Sequence[View]:
    needs = stage.needs()
    return () if needs is None else needs.views


def _needs(needs: Needs | None) -> list[str]:
    if needs is None:
        return ["the full picture, because it declares nothing"]
    names = {
        "the full picture": needs.pixels,
        "the embedding": needs.embedding,
        "the bytes": needs.encoded,
        "the caption": needs.caption,
        "the sidecars": needs.sidecars,
    }
    return [name for name, wanted in names.items() if wanted]
