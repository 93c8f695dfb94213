"""The shape of a CLIP vision tower and its preprocessing, as its configuration files state them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.models.towers.ops import Activation
from nemo_curator.models.towers.vision import VisionTower

# what the configuration format means where a key is absent
_DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_BICUBIC = 3  # Pillow's number, which the preprocessor files use


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    content: dict[str, Any]

    def number(self, section: dict[str, Any], key: str, default: float) -> float:
        value = section.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise WeightsError(f"{key} is {value!r}, expected a positive number", where=str(self.path))
        return value

    def triple(self, key: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
        value = self.content.get(key, default)
        if not isinstance(value, list | tuple) or len(value) != 3 or not all(isinstance(v, int | float) for v in value):
            raise WeightsError(f"{key} is {value!r}, expected three numbers", where=str(self.path))
        return float(value[0]), float(value[1]), float(value[2])


def read_config(folder: Path) -> VisionTower:
    """The vision tower that `config.json` and `preprocessor_config.json` in `folder` describe.

    A missing preprocessor file means CLIP's own normalisation.

    Raises:
        WeightsNotFoundError: There is no `config.json`.
        WeightsError: A file is no JSON, or describes something that is no CLIP vision tower with bicubic views.
    """
    config = _read(folder / "config.json", required=True)
    vision = _section(config, "vision_config")
    activation = vision.get("hidden_act", _DEFAULTS["hidden_act"])
    if activation not in get_args(Activation):
        raise WeightsError(f"the activation {activation!r} is not supported", where=str(config.path))
    sizes = {key: int(config.number(vision, key, value)) for key, value in _DEFAULTS.items() if isinstance(value, int)}
    if sizes["hidden_size"] % sizes["num_attention_heads"] or sizes["image_size"] % sizes["patch_size"]:
        raise WeightsError("its sizes do not divide into heads and patches", where=str(config.path))
    mean, deviation = _normalisation(_read(folder / "preprocessor_config.json", required=False), sizes["image_size"])
    return VisionTower(
        width=sizes["hidden_size"],
        hidden=sizes["intermediate_size"],
        layers=sizes["num_hidden_layers"],
        heads=sizes["num_attention_heads"],
        side=sizes["image_size"],
        patch=sizes["patch_size"],
        dimension=int(config.number(config.content, "projection_dim", 512)),
        activation=activation,
        epsilon=config.number(vision, "layer_norm_eps", _DEFAULTS["layer_norm_eps"]),
        mean=mean,
        deviation=deviation,
    )


def _normalisation(file: _File, side: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    resized = file.content.get("size", side)
    edge = resized.get("shortest_edge", resized.get("height")) if isinstance(resized, dict) else resized
    if edge != side or file.content.get("resample", _BICUBIC) != _BICUBIC:
        raise WeightsError(
            f"the preprocessor resizes to {edge} with filter {file.content.get('resample', _BICUBIC)}, "
            f"expected the short side to {side}, bicubic",
            where=str(file.path),
        )
    return file.triple("image_mean", _MEAN), file.triple("image_std", _DEVIATION)


def _section(file: _File, key: str) -> dict[str, Any]:
    section = file.content.get(key, {})
    if not isinstance(section, dict):
        raise WeightsError(f"{key} is no section", where=str(file.path))
    return section


def _read(path: Path, *, required: bool) -> _File:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        if not required:
            return _File(path, {})
        raise WeightsNotFoundError(
            "this file is missing", where=str(path), act="put it there, from where the weights come from"
        ) from None
    except ValueError as error:
        raise WeightsError(f"the file is no JSON: {error}", where=str(path), act="fetch it again") from error
    if not isinstance(content, dict):
        raise WeightsError("the file holds no settings", where=str(path), act="fetch it again")
    return _File(path, content)
