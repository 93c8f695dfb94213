"""Whether the embedding that a stage needs is the one that is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_curator.errors import ModelError, RecipeError
from nemo_curator.models import registry
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.catalogue import declared_class
from nemo_curator.stages.image.filters.registered_filter import RegisteredModelFilterStage
from nemo_curator.stages.image.filters.text_tower_filter import TextTowerFilterStage

Stage = ProcessingStage[Any, Any]


def gives_embeddings(stage: Stage) -> bool:
    """Whether images leave a stage with an embedding that it made."""
    return "embedding" in stage.outputs()[1]


def embedding_dimension(stage: Stage) -> int:
    """How long the embeddings are that a stage gives; 0 where it does not say."""
    return int(getattr(stage, "embedding_dimension", 0))


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
    return _needs_others(stage, stage.name, getattr(stage, "model", ""), wanted, computed)


def declared_embedding(name: str, parameters: Mapping[str, Any]) -> str:
    """Whose embeddings a score would give, found without making its stage; "" where it gives none, or nobody knows.

    Args:
        name: A recipe's name for the score.
        parameters: What the recipe says of it.
    """
    kind = declared_class(name)
    if kind is None or not hasattr(kind, "embedding_model"):
        return ""
    spec = _declared(kind, parameters)
    return spec.name if spec is not None else ""


def misfit_of_head(name: str, parameters: Mapping[str, Any], computed: str) -> RecipeError | None:
    """What is wrong with a head on the embeddings of a model, found without making its stage; None where nothing is.

    A head that can never fit is told as that, and not by the file that it lacks.

    Args:
        name: A recipe's name for the score.
        parameters: What the recipe says of it.
        computed: The model that makes the embeddings.
    """
    kind = declared_class(name)
    if not isinstance(kind, type) or not issubclass(kind, RegisteredModelFilterStage):
        return None
    spec = _declared(kind, parameters)
    if not isinstance(spec, registry.HeadSpec) or computed in spec.embeddings:
        return None
    return _needs_others(kind, getattr(kind, "_name", name), spec.name, sorted(spec.embeddings), computed)


def _declared(kind: Any, parameters: Mapping[str, Any]) -> registry.ModelSpec | registry.HeadSpec | None:
    """The model that a stage of that class would use; None where that cannot be told."""
    fixed = getattr(kind, "embedding_model", "")
    model = parameters.get("model", getattr(kind, "model", fixed))
    try:
        return registry.get_spec(model, parameters.get("model_dir")) if isinstance(model, str) else None
    except ModelError:
        return None


def _needs_others(stage: Any, name: str, model: str, wanted: list[str], computed: str) -> RecipeError:
    """The sentence for a stage, or its class, that needs embeddings which are not computed."""
    names = " or ".join(wanted) if len(wanted) < 3 else f"one of {', '.join(wanted)}"
    kind = f"embeddings of {names}" if wanted else "embeddings"
    of = f" with the model {model!r}" if model else ""
    there = f"those of {computed} are computed" if computed else "none are computed"
    return RecipeError(f"score {name!r}{of} needs {kind}, and {there}", act=_remedy(stage, name, wanted, computed))


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


def _remedy(stage: Any, name: str, wanted: list[str], computed: str) -> str:
    acts = [] if computed else ["add `embedding` to scores"]
    if wanted:
        acts.append(f"write `models: {{embedding: {wanted[0]}}}`")
    act = " and ".join(acts)
    task = getattr(stage, "task", None)
    others = registry.heads_on(computed, task) if computed and task else []
    return f"{act}, or `models: {{{name}: {others[0]}}}`, which takes those that are" if others else act
