"""From a recipe to the stages that score and the policy that decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from nemo_curator.errors import RecipeError, UnknownModelError
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Policy, Rule, check_policy, parse_rule
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.catalogue import ScoreStage, make_score_stage, score_names
from nemo_curator.stages.declarations import Column, Cost
from nemo_curator.tasks import ImageBatch

Stage = ProcessingStage[ImageBatch, ImageBatch]


@dataclass(frozen=True, slots=True)
class Scoring:
    """What a recipe comes to.

    Attributes:
        stages: Score stages, cheapest cost class first, in recipe order inside a class.
        columns: All columns that they record, in that order.
        embeds: Whether one of them gives images their embedding.
        policy: Rules and duplicates.
    """

    stages: tuple[Stage, ...]
    columns: tuple[Column, ...]
    embeds: bool
    policy: Policy


def plan_scoring(recipe: Recipe) -> Scoring:
    """Make the stages of a recipe and check its rules against the columns that will be there.

    Raises:
        RecipeError: A score, parameter, rule or column is unknown.
        UnknownModelError: A model is unknown.
        StageError: Two scores record one column.
    """
    entries = recipe.score_entries(score_names())
    _refuse_idle_models(recipe, [name for name, _ in entries])
    unsorted = [_stage(recipe, index, name, parameters) for index, (name, parameters) in enumerate(entries)]
    stages = sorted(unsorted, key=lambda stage: getattr(stage, "cost", Cost.MODEL))
    columns = tuple(column for stage in stages for column in _score(stage).score_columns())
    schema = part_schema(columns)
    known = schema.names
    rules = tuple(_rule(name, text, known, recipe.place("rules", name)) for name, text in recipe.rules.items())
    prefer = parse_rule("prefer", recipe.duplicates.prefer, known, recipe.place("duplicates", "prefer"))
    embedders = [name for (name, _), stage in zip(entries, unsorted, strict=True) if _embeds(stage)]
    if len(embedders) > 1:
        raise RecipeError(
            f"{' and '.join(embedders)} both give embeddings, and an image has one",
            where=recipe.place("scores"),
            act="leave one of them out",
        )
    policy = Policy(rules, recipe.duplicates.bytes, prefer)
    check_policy(policy, schema)
    return Scoring(tuple(stages), columns, bool(embedders), policy)


def _stage(recipe: Recipe, index: int, name: str, parameters: dict[str, Any]) -> Stage:
    """A score's stage; what is wrong with it is told with the place of the entry."""
    try:
        return make_score_stage(name, parameters)
    except (RecipeError, UnknownModelError) as error:
        path = ("models", name) if name in recipe.models else ("scores", index)
        error.where = error.where or recipe.place(*path)
        raise


def _embeds(stage: Stage) -> bool:
    return "embedding" in stage.outputs()[1]


def _score(stage: Stage) -> ScoreStage:
    return cast("ScoreStage", stage)


def _rule(name: str, text: str, known: list[str], where: str) -> Rule:
    try:
        return parse_rule(name, text, known, where)
    except RecipeError as error:
        if "there is no column" in error.what:
            error.act = f"{error.act}; or add the score that computes it to `scores`".removeprefix("; ")
        raise


def _refuse_idle_models(recipe: Recipe, scores: list[str]) -> None:
    for name in recipe.models:
        if name not in scores:
            raise RecipeError(
                f"models names a model for {name!r}, which is not among the scores",
                where=recipe.place("models", name),
                act=f"add {name!r} to scores, or take it out of models",
            )
