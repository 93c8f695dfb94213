"""Whether the embedding that a stage needs is the one that is computed."""

from __future__ import annotations

from typing import Any

from nemo_curator.errors import RecipeError
from nemo_curator.models import registry
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.filters.text_tower_filter import TextTowerFilterStage

Stage = ProcessingStage[Any, Any]


def gives_embeddings(stage: Stage) -> bool:
    """Whether images leave a stage with an embedding that it made."""
    return "embedding" in stage.outputs()[1]


def needs_embeddings(stage: Stage) -> bool:
    """Whether a stage says that it looks at the embedding; one that declares nothing does not say so."""
    needs = stage.needs()
    return needs is not None and needs.embedding


def fitted(stage: Stage, embedder: Stage | None, runtime: str | None) -> Stage:
    """The stage, told whose embeddings it gets if it takes those of several models and has to know.

    Args:
        stage: A score stage.
        embedder: The stage that gives embeddings, or None where there is none.
        runtime: Name of the runtime that is wanted for models, if one is.

    Raises:
        RecipeError: Nobody says which model makes the embeddings.
        ModelError: The model's text tower cannot be used.
    """
    if not isinstance(stage, TextTowerFilterStage) or stage.model or embedder is None:
        return stage
    model = getattr(embedder, "embedding_model", "")
    if not model:
        raise RecipeError(
            f"score {stage.name!r} has to know which model makes the embeddings, and {embedder.name!r} does not say",
            act=f"write `models: {{{stage.name}: {registry.with_text()[0]}}}`, with the name of that model",
        )
    model_dir = getattr(embedder, "model_dir", None)
    spec = registry.get_spec(model, model_dir)
    if not isinstance(spec, registry.ModelSpec) or not spec.text_loader:
        return stage  # which is a misfit
    return stage.on_embeddings_of(model, model_dir, runtime)


def misfit(stage: Stage, embedder: Stage | None) -> RecipeError | None:
    """What is wrong with a score stage beside the stage that gives embeddings; None where nothing is.

    An embedder that does not say which model it uses (`embedding_model`) is believed to be the right one.

    Args:
        stage: A score stage.
        embedder: The stage that gives embeddings, or None where there is none.

    Returns:
        An error to raise, without a place; or to make a note of, where the score was not asked for by name.

    Raises:
        WeightsNotFoundError: Weights that are to be compared are missing.
    """
    needs = stage.needs()
    if needs is None or not needs.embedding:
        return None
    wanted = sorted(needs.embedding_of)
    computed = getattr(embedder, "embedding_model", "")
    if embedder is not None and (not wanted or not computed or computed in wanted):
        return _of_other_weights(stage, embedder)
    names = " or ".join(wanted) if len(wanted) < 3 else f"one of {', '.join(wanted)}"
    kind = f"embeddings of {names}" if wanted else "embeddings"
    model = getattr(stage, "model", "")
    of = f" with the model {model!r}" if model else ""
    there = f"those of {computed} are computed" if computed else "none are computed"
    return RecipeError(f"score {stage.name!r}{of} needs {kind}, and {there}", act=_remedy(stage, wanted, computed))


def _of_other_weights(stage: Stage, embedder: Stage) -> RecipeError | None:
    """What is wrong where texts are embedded by other weights than pictures: their cosines would mean nothing.

    Raises:
        WeightsNotFoundError: The weights of either are missing.
    """
    if not isinstance(stage, TextTowerFilterStage) or not stage.model:
        return None
    spec = stage.tower().spec
    if getattr(embedder, "embedding_model", "") != spec.name:
        return None
    dirs = stage.model_dir, getattr(embedder, "model_dir", None)
    texts, pictures = (spec.weights.find(one) for one in dirs)
    # the file that both are in is not read for this
    if texts.samefile(pictures) or len({registry.identity(spec, one)["weights"] for one in dirs}) == 1:
        return None
    return RecipeError(
        f"score {stage.name!r} embeds texts by other weights of {spec.name} than those that embed the pictures",
        cause=f"{texts} and {pictures} differ",
        act="leave out its model_dir, or name the same folder for both",
    )


def _remedy(stage: Stage, wanted: list[str], computed: str) -> str:
    acts = [] if computed else ["add `embedding` to scores"]
    if wanted:
        acts.append(f"write `models: {{embedding: {wanted[0]}}}`")
    act = " and ".join(acts)
    task = getattr(stage, "task", None)
    others = registry.heads_on(computed, task) if computed and task else []
    return f"{act}, or `models: {{{stage.name}: {others[0]}}}`, which takes those that are" if others else act
