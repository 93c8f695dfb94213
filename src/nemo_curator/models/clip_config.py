"""The shape of a CLIP vision tower and its preprocessing, as its configuration files state them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nemo_curator.errors import WeightsError
from nemo_curator.kernels.view import View
from nemo_curator.models.layouts.preprocessing import Preprocessing, read_preprocessor, words
from nemo_curator.models.layouts.settings import read_settings
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
_KIND = "clip"


def read_config(folder: Path) -> VisionTower:
    """The vision tower that `config.json` and `preprocessor_config.json` in `folder` describe.

    A missing preprocessor file means CLIP's own normalisation.

    Raises:
        WeightsNotFoundError: There is no `config.json`.
        WeightsError: A file is no JSON, or describes something that is no CLIP vision tower with bicubic views.
    """
    config = read_settings(folder / "config.json")
    kind = config.content.get("model_type", _KIND)
    if kind != _KIND:
        raise config.wrong(f"it describes a model of the kind {kind!r}, expected {_KIND!r}")
    vision = config.section("vision_config")
    activation = vision.activation(_DEFAULTS["hidden_act"])
    sizes = {
        key: vision.side(key, value) for key, value in _DEFAULTS.items() if key.endswith(("image_size", "patch_size"))
    }
    sizes |= {
        key: vision.whole(key, value) for key, value in _DEFAULTS.items() if isinstance(value, int) and key not in sizes
    }
    if sizes["hidden_size"] % sizes["num_attention_heads"] or sizes["image_size"] % sizes["patch_size"]:
        raise WeightsError("its sizes do not divide into heads and patches", where=str(config.path))
    preprocessing = _preprocessing(folder, sizes["image_size"])
    return VisionTower(
        width=sizes["hidden_size"],
        hidden=sizes["intermediate_size"],
        layers=sizes["num_hidden_layers"],
        heads=sizes["num_attention_heads"],
        side=sizes["image_size"],
        patch=sizes["patch_size"],
        dimension=config.whole("projection_dim", 512),
        activation=activation,
        epsilon=vision.number("layer_norm_eps", _DEFAULTS["layer_norm_eps"]),
        mean=preprocessing.mean,
        deviation=preprocessing.deviation,
    )


def clip_view(side: int) -> View:
    """The picture that a CLIP of a side wants of every image, as transformers cuts it."""
    return View(side, fit="short", crop=side, filter="bicubic", centre="down")


def _preprocessing(folder: Path, side: int) -> Preprocessing:
    file = read_settings(folder / "preprocessor_config.json", required=False)
    expected = clip_view(side)
    found = read_preprocessor(file, Preprocessing(expected, _MEAN, _DEVIATION))
    if found.view != expected:
        raise file.wrong(f"the preprocessor resizes {words(found.view)}, expected {words(expected)}")
    return found
