"""Vision transformers of OpenCLIP (Ilharco et al. 2021) in their own layout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nemo_curator.kernels.view import View
from nemo_curator.models.layouts import timm_siglip
from nemo_curator.models.layouts.hugging_face import fitting
from nemo_curator.models.layouts.layout import Described, Layout
from nemo_curator.models.layouts.preprocessing import Preprocessing
from nemo_curator.models.layouts.settings import Settings, read_settings
from nemo_curator.models.towers.layer import Affine, Layer
from nemo_curator.models.towers.ops import Activation
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.text import TextTower
from nemo_curator.models.towers.vision import VisionTower, VisionWeights
from nemo_curator.models.weights import OPEN_CLIP, OPEN_CLIP_SETTINGS

(CONFIG,) = OPEN_CLIP_SETTINGS
WEIGHTS = (f"{OPEN_CLIP}model.safetensors", f"{OPEN_CLIP}pytorch_model.bin")
"""Names of weight files, the preferred one first."""

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_PREFIX = "visual."

# keys of vision_cfg that are read here, or change nothing of what a picture's embedding is
_READ = {"image_size", "patch_size", "width", "layers", "head_width", "mlp_ratio", "ls_init_value", "no_ln_pre"}
_READ |= {"act_kwargs", "norm_kwargs"}
_IDLE = {"patch_dropout", "output_tokens", "attn_pooler_queries", "attn_pooler_heads", "pos_embed_type"}
_IDLE |= {"final_ln_after_pool"}  # of one token a norm is the same before and after it is picked
_IDLE |= {"timm_model_pretrained", "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path"}
_PLAIN: dict[str, Any] = {"pool_type": "tok", "block_type": "default"}  # what others mean where they are absent


def describe(folder: Path) -> Described:
    """The image tower in a folder.

    Raises:
        WeightsNotFoundError: There is no `open_clip_config.json`.
        WeightsError: It is damaged, or describes a tower of other blocks.
    """
    config = read_settings(folder / CONFIG)
    model = config.section("model_cfg")
    vision = model.section("vision_cfg")
    if not vision.content:
        raise config.wrong("it describes no image tower")
    if vision.content.get("timm_model_name") is not None:
        side = vision.side("image_size", 224)
        preprocessing = _preprocessing(config.section("preprocess_cfg"), side)
        return timm_siglip.describe(model, vision, preprocessing)
    _refuse_others(vision)
    side = vision.side("image_size", 224)
    preprocessing = _preprocessing(config.section("preprocess_cfg"), side)
    tower = _tower(model, vision, preprocessing)
    scaled = vision.content.get("ls_init_value") is not None
    normed = not vision.flag("no_ln_pre", default=False)
    arrange = partial(_arrange, tower, scaled=scaled, normed=normed)
    return Described(tower, preprocessing.view, (_PREFIX,), arrange)


LAYOUT = Layout("OpenCLIP", WEIGHTS, (CONFIG,), describe)
"""The layout."""


def _tower(model: Settings, vision: Settings, preprocessing: Preprocessing) -> VisionTower:
    if isinstance(vision.content.get("layers"), list):
        raise vision.wrong("its image tower is a residual network, which is not supported")
    width = vision.whole("width", 768)
    tower = VisionTower(
        width=width,
        hidden=int(width * vision.number("mlp_ratio", 4)),
        layers=vision.whole("layers", 12),
        heads=max(1, width // vision.whole("head_width", 64)),
        side=preprocessing.side,
        patch=vision.side("patch_size", 16),
        dimension=model.whole("embed_dim", 512),
        activation=activation_of(model, vision),
        epsilon=vision.section("norm_kwargs").number("eps", 1e-5),
        mean=preprocessing.mean,
        deviation=preprocessing.deviation,
    )
    return fitting(tower, vision)


def activation_of(model: Settings, section: Settings) -> Activation:
    """The activation of a tower.

    Args:
        model: `model_cfg`.
        section: `vision_cfg` or `text_cfg`.

    Raises:
        WeightsError: It is not supported.
    """
    if model.flag("quick_gelu", default=False):
        return "quick_gelu"
    given = section.section("act_kwargs").content
    known: list[tuple[Mapping[str, Any], Activation]] = [
        ({}, "gelu"),
        ({"approximate": "none"}, "gelu"),
        ({"approximate": "tanh"}, "gelu_tanh"),
    ]
    for settings, activation in known:
        if given == settings:
            return activation
    raise section.wrong(f"act_kwargs is {given!r}, which is not supported")


def _refuse_others(vision: Settings) -> None:
    """Refuse towers of other blocks, and settings that came after this was written."""
    for key, value in vision.content.items():
        absent = value is None or value is False or value == _PLAIN.get(key)
        if not absent and key not in _READ | _IDLE:
            raise vision.wrong(f"its image tower has {key} = {value!r}, which is not supported")


def _preprocessing(file: Settings, side: int) -> Preprocessing:
    """The view and the normalisation of `preprocess_cfg`, for a model of a side."""
    if file.side("size", side) != side:
        raise file.wrong(f"pictures are cut to {file.content['size']} and the model takes {side}")
    filters = {"bicubic": "bicubic", "bilinear": "bilinear", "random": "bicubic"}  # random is for training
    interpolation = file.content.get("interpolation") or "bicubic"
    mode = file.content.get("resize_mode") or "shortest"
    if interpolation not in tuple(filters) or mode not in ("shortest", "squash"):
        raise file.wrong(f"pictures are resized by {interpolation!r}, {mode!r}, which is not supported")
    view = View(side, fit="squash") if mode == "squash" else View(side, fit="short", crop=side)
    view = View(view.size, view.fit, view.crop, "bilinear" if interpolation == "bilinear" else "bicubic")
    mean, deviation = file.triple("mean", _MEAN), file.triple("std", _DEVIATION)
    if min(deviation) <= 0:
        raise file.wrong(f"std is {list(deviation)}, expected positive numbers")
    return Preprocessing(view, mean, deviation)


def _arrange(tower: VisionTower, tensors: Tensors, *, scaled: bool, normed: bool) -> VisionWeights:
    width = tower.width
    positions = tensors.take(f"{_PREFIX}positional_embedding", tower.tokens, width)
    token = tensors.take(f"{_PREFIX}class_embedding", width)
    return VisionWeights(
        tower=tower,
        kernel=tensors.take(f"{_PREFIX}conv1.weight", width, 3, tower.patch, tower.patch),
        kernel_bias=tensors.bias(f"{_PREFIX}conv1", width),
        first=positions[:1] + token,
        positions=positions[1:],
        before=tensors.affine(f"{_PREFIX}ln_pre", width) if normed else None,
        layer=lambda index: layer_of(tower, tensors, f"{_PREFIX}transformer.resblocks.{index}", scaled=scaled),
        after=tensors.affine(f"{_PREFIX}ln_post", width),
        projection=lambda: tensors.take(f"{_PREFIX}proj", width, tower.dimension).T,
    )


def layer_of(tower: VisionTower | TextTower, tensors: Tensors, prefix: str, *, scaled: bool) -> Layer:
    """The arrays of a layer of either tower.

    Args:
        tower: The shape.
        tensors: The state dict.
        prefix: Of the layer's names.
        scaled: Whether there are layer scales.

    Raises:
        WeightsError: One is missing or has another shape.
    """
    width, hidden = tower.width, tower.hidden
    joined = Affine(
        tensors.take(f"{prefix}.attn.in_proj_weight", 3 * width, width),
        tensors.take(f"{prefix}.attn.in_proj_bias", 3 * width),
    )
    queries, keys, values = joined.parts(3)
    out = tensors.affine(f"{prefix}.attn.out_proj", width, width)
    fall = tensors.affine(f"{prefix}.mlp.c_proj", width, hidden)
    if scaled:
        out = out.scaled(tensors.take(f"{prefix}.ls_1.gamma", width))
        fall = fall.scaled(tensors.take(f"{prefix}.ls_2.gamma", width))
    return Layer(
        norm1=tensors.affine(f"{prefix}.ln_1", width),
        queries=queries,
        keys=keys,
        values=values,
        out=out,
        norm2=tensors.affine(f"{prefix}.ln_2", width),
        rise=tensors.affine(f"{prefix}.mlp.c_fc", hidden, width),
        fall=fall,
    )
