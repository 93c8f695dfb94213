"""The stage that made the embeddings of a run, made once more: for a query that is compared with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.errors import IncompleteRunError, ModelError
from nemo_curator.pipeline.decide import stored_recipe
from nemo_curator.pipeline.numerics import ComputesModel
from nemo_curator.pipeline.scoring import Stage
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.fingerprints import EMBEDDING, LIBRARIES, changes
from nemo_curator.runs.state import RunState
from nemo_curator.stages.catalogue import class_of, make_score_stage, score_names
from nemo_curator.stages.fingerprint import stage_facts

# what moves an embedding a little, and never into another space
_ROUNDING = {"runtime", "precision", "device"}
_PIXELS = "decode"
_MOST_CHANGES = 3  # that a sentence names


@dataclass(frozen=True, slots=True)
class Embedder:
    """How the embeddings of a run were made.

    Attributes:
        stage: The stage, before its `setup`.
        model: Name of its model in the registry; "" where the stage does not say.
        options: How pixels were made for it.
        recipe: The recipe in force, whose limits count.
        notes: What is not as it was, in sentences; none of it leads into another space of embeddings.
    """

    stage: Stage
    model: str
    options: DecodeOptions
    recipe: Recipe
    notes: tuple[str, ...]


def embedder_of(state: RunState, model_dir: str | None = None) -> Embedder:
    """The stage that made the embeddings of a run.

    Args:
        state: The run.
        model_dir: The user's model directory; the one of the run's recipe by default.

    Raises:
        IncompleteRunError: The run has no embeddings.
        ModelError: What would embed a query here is not what embedded the run: other weights, another stage.
        WeightsNotFoundError: The weights are not there.
    """
    facts = state.column_facts(EMBEDDING)
    if facts is None:
        raise IncompleteRunError(
            "this run has no embeddings to search",
            where=state.run.root,
            act="add the score: `imagecurator score INPUT RUN --scores embedding`",
        )
    recipe = stored_recipe(state)
    name, parameters = _entry(recipe, facts, state.run.root)
    stage = make_score_stage(name, parameters | ({"model_dir": model_dir} if model_dir else {}))
    stage, options = _as_computed(stage, facts), _options(facts)
    now = stage_facts(stage, options)
    moved = changes(_space(facts), _space(now))
    if moved:
        raise ModelError(
            f"a query would be embedded by something else than this run was: {'; '.join(moved[:_MOST_CHANGES])}",
            where=state.run.root,
            act="bring back the weights that it was computed with (--model-dir), or compute its embeddings again with "
            "`imagecurator score INPUT RUN --rescore`",
        )
    return Embedder(stage, str(getattr(stage, "embedding_model", "")), options, recipe, _notes(changes(facts, now)))


def _notes(changed: Sequence[str]) -> tuple[str, ...]:
    if not changed:
        return ()
    more = f" and {len(changed) - _MOST_CHANGES} more" if len(changed) > _MOST_CHANGES else ""
    told = "; ".join(changed[:_MOST_CHANGES])
    how = "the query was embedded a little differently than the run, so that equal pictures may be a little apart"
    return (f"{how}: {told}{more}",)


def _entry(recipe: Recipe, facts: Mapping[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Name and parameters of the stage: those of the recipe in force, or where it has no such score those recorded."""
    made_by = str(facts.get("stage", ""))
    for name, parameters in recipe.score_entries(score_names()):
        if class_of(name) == made_by:
            return name, parameters
    for name in score_names():
        if class_of(name) == made_by:
            return name, dict(facts.get("parameters") or {})
    raise ModelError(
        f"the embeddings of this run were made by {made_by!r}, which is not installed, and no score of its recipe",
        where=where,
        act="install its package",
    )


def _as_computed(stage: Stage, facts: Mapping[str, Any]) -> Stage:
    """The stage with the runtime and precision of the run; its own where this machine has not got them."""
    recorded = facts.get("model")
    if not isinstance(stage, ComputesModel) or not isinstance(recorded, Mapping):
        return stage
    chosen = {name: recorded.get(name) for name in ("runtime", "precision")}
    try:
        same: Stage = replace(cast("Any", stage), **chosen)
    except ModelError:  # what differs then is told beside the answer
        return stage
    return same


def _options(facts: Mapping[str, Any]) -> DecodeOptions:
    """The choices about decoding that are recorded; the default ones for a stage that looked at no pixels of ours."""
    chosen = (facts.get(_PIXELS) or {}).get("options") or {}
    red, green, blue = chosen.get("background", DecodeOptions().background)
    return DecodeOptions(
        (int(red), int(green), int(blue)), chosen.get("truncated", "quarantine"), bool(chosen.get("fast", False))
    )


def _space(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the facts that say in which space the embeddings lie."""
    found = {name: value for name, value in facts.items() if name not in {LIBRARIES, _PIXELS}}
    for name in ("model", "parameters"):
        if isinstance(found.get(name), Mapping):
            found[name] = {key: value for key, value in found[name].items() if key not in _ROUNDING}
    return found
