"""DINOv2 towers (Oquab et al. 2023; with registers, Darcet et al. 2023) in the layout of Hugging Face.

The embedding is the class token after the last norm. Positions were learnt for pictures of another side than the one
that the preprocessing gives, and are resampled as transformers does it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from nemo_curator.kernels.view import View
from nemo_curator.models.layouts.hugging_face import CONFIG, PREPROCESSOR, WEIGHTS, Defaults, read_both, sized
from nemo_curator.models.layouts.layout import Described, Layout
from nemo_curator.models.layouts.preprocessing import Preprocessing
from nemo_curator.models.layouts.settings import Settings
from nemo_curator.models.towers.layer import Affine, Layer
from nemo_curator.models.towers.positions import resampled
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionTower, VisionWeights

KINDS = ("dinov2", "dinov2_with_registers")
"""What `model_type` says."""

_VIEW = View(256, fit="short", crop=224, filter="bicubic", centre="down")
_PREPROCESSING = Preprocessing(_VIEW, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_DEFAULTS = {
    kind: Defaults(
        {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": patch},
        "gelu",
        1e-6,
        _PREPROCESSING,
    )
    for kind, patch in zip(KINDS, (14, 16), strict=True)
}
_PREFIXES = ("embeddings.", "encoder.", "layernorm.")


def describe(folder: Path) -> Described:
    """The tower in a folder.

    Raises:
        WeightsNotFoundError: A settings file is not there.
        WeightsError: One is damaged, or describes something else.
    """
    config, preprocessing = read_both(folder, _DEFAULTS[KINDS[0]])
    registered = config.content.get("model_type") == KINDS[1]
    defaults = _DEFAULTS[KINDS[registered]]
    if config.flag("use_swiglu_ffn", default=False):
        raise config.wrong("the perceptrons of this DINOv2 are gated (SwiGLU), which is not supported")
    width = config.whole("hidden_size", defaults.sizes["hidden_size"])
    hidden = int(width * config.number("mlp_ratio", 4))
    tower = sized(config, defaults, preprocessing, hidden=hidden, dimension=width)
    grid = config.side("image_size", 224) // tower.patch
    count = _registers(config) if registered else 0
    # transformers antialiases for the towers with registers alone
    arrange = partial(_arrange, tower, grid=grid, registers=count, antialias=registered)
    return Described(tower, preprocessing.view, _PREFIXES, arrange)


LAYOUT = Layout("DINOv2 of Hugging Face", WEIGHTS, (CONFIG, PREPROCESSOR), describe)
"""The layout."""


def _registers(config: Settings) -> int:
    return 0 if config.content.get("num_register_tokens") == 0 else config.whole("num_register_tokens", 4)


def _arrange(tower: VisionTower, tensors: Tensors, *, grid: int, registers: int, antialias: bool) -> VisionWeights:
    width = tower.width
    patch = "embeddings.patch_embeddings.projection"
    positions = tensors.take("embeddings.position_embeddings", 1, grid * grid + 1, width)[0]
    first = tensors.take("embeddings.cls_token", 1, 1, width)[0] + positions[:1]
    if registers:  # which have no positions
        first = np.concatenate([first, tensors.take("embeddings.register_tokens", 1, registers, width)[0]])
    patches = resampled(positions[1:], tower.side // tower.patch, antialias=antialias)
    return VisionWeights(
        tower=tower,
        kernel=tensors.take(f"{patch}.weight", width, 3, tower.patch, tower.patch),
        kernel_bias=tensors.take(f"{patch}.bias", width),
        first=first,
        positions=patches,
        before=None,
        layer=lambda index: _layer(tower, tensors, f"encoder.layer.{index}"),
        after=tensors.affine("layernorm", width),
        projection=None,
    )


def _layer(tower: VisionTower, tensors: Tensors, prefix: str) -> Layer:
    width, hidden = tower.width, tower.hidden

    def asked(name: str) -> Affine:
        place = f"{prefix}.attention.attention.{name}"
        return Affine(tensors.take(f"{place}.weight", width, width), tensors.bias(place, width))

    out = tensors.affine(f"{prefix}.attention.output.dense", width, width)
    fall = tensors.affine(f"{prefix}.mlp.fc2", width, hidden)
    return Layer(
        norm1=tensors.affine(f"{prefix}.norm1", width),
        queries=asked("query"),
        keys=asked("key"),
        values=asked("value"),
        out=out.scaled(tensors.take(f"{prefix}.layer_scale1.lambda1", width)),
        norm2=tensors.affine(f"{prefix}.norm2", width),
        rise=tensors.affine(f"{prefix}.mlp.fc1", hidden, width),
        fall=fall.scaled(tensors.take(f"{prefix}.layer_scale2.lambda1", width)),
    )
