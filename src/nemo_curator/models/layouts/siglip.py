"""SigLIP and SigLIP 2 towers (Zhai et al. 2023, Tschannen et al. 2025) in the layout of Hugging Face.

Those of one fixed side; the towers of SigLIP 2 that take any (NaFlex) are others. There is no class token: a head
gathers all tokens by attention.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from nemo_curator.kernels.view import View
from nemo_curator.models.layouts.clip_arrays import layer
from nemo_curator.models.layouts.hugging_face import (
    CONFIG,
    PREPROCESSOR,
    WEIGHTS,
    Defaults,
    read_both,
    same_side,
    sized,
)
from nemo_curator.models.layouts.layout import Described, Layout
from nemo_curator.models.layouts.preprocessing import Preprocessing
from nemo_curator.models.towers.layer import Affine
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import AttentionPool, VisionTower, VisionWeights

KINDS = ("siglip", "siglip_vision_model")
"""What `model_type` says: of image and text tower together, and of the image tower alone."""

_HALF = (0.5, 0.5, 0.5)
_DEFAULTS = Defaults(
    {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": 16},
    "gelu_pytorch_tanh",
    1e-6,
    Preprocessing(View(224, fit="squash"), _HALF, _HALF),
)
_PREFIX = "vision_model."
_ALONE = ("embeddings.", "encoder.", "post_layernorm.", "head.")  # without the prefix, where the tower lies alone


def describe(folder: Path) -> Described:
    """The image tower in a folder.

    Raises:
        WeightsNotFoundError: A settings file is not there.
        WeightsError: One is damaged, or describes something else.
    """
    config, preprocessing = read_both(folder, _DEFAULTS)
    vision = config if config.content.get("model_type") == KINDS[1] else config.section("vision_config")
    if not vision.flag("vision_use_head", default=True):
        raise vision.wrong("this tower has no head that makes one vector of its tokens")
    same_side(config, preprocessing, vision.side("image_size", _DEFAULTS.preprocessing.side))
    width = vision.whole("hidden_size", _DEFAULTS.sizes["hidden_size"])
    hidden = vision.whole("intermediate_size", 3072)
    tower = sized(vision, _DEFAULTS, preprocessing, hidden=hidden, dimension=width)
    return Described(tower, preprocessing.view, (_PREFIX, *_ALONE), partial(_arrange, tower))


LAYOUT = Layout("SigLIP of Hugging Face", WEIGHTS, (CONFIG, PREPROCESSOR), describe)
"""The layout."""


def _arrange(tower: VisionTower, tensors: Tensors) -> VisionWeights:
    width = tower.width
    prefix = _PREFIX if f"{_PREFIX}post_layernorm.weight" in tensors else ""
    patch = f"{prefix}embeddings.patch_embedding"
    return VisionWeights(
        tower=tower,
        kernel=tensors.take(f"{patch}.weight", width, 3, tower.patch, tower.patch),
        kernel_bias=tensors.take(f"{patch}.bias", width),
        first=np.empty((0, width), np.float32),
        positions=tensors.take(f"{prefix}embeddings.position_embedding.weight", tower.patches, width),
        before=None,
        layer=lambda index: layer(tower, tensors, f"{prefix}encoder.layers.{index}"),
        after=tensors.affine(f"{prefix}post_layernorm", width),
        projection=None,
        pool=lambda: _pool(tower, tensors, f"{prefix}head"),
    )


def _pool(tower: VisionTower, tensors: Tensors, prefix: str) -> AttentionPool:
    width, hidden = tower.width, tower.hidden
    attention = f"{prefix}.attention"
    joined = Affine(
        tensors.take(f"{attention}.in_proj_weight", 3 * width, width),
        tensors.take(f"{attention}.in_proj_bias", 3 * width),
    )
    queries, keys, values = joined.parts(3)
    probe = tensors.take(f"{prefix}.probe", 1, 1, width)[0, 0]
    return AttentionPool(
        query=queries.weight @ probe + queries.bias,
        keys=keys,
        values=values,
        out=tensors.affine(f"{attention}.out_proj", width, width),
        norm=tensors.affine(f"{prefix}.layernorm", width),
        rise=tensors.affine(f"{prefix}.mlp.fc1", hidden, width),
        fall=tensors.affine(f"{prefix}.mlp.fc2", width, hidden),
    )
