"""SigLIP towers in OpenCLIP's layout, where the tower is one of timm and its sizes are told by its name alone."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from nemo_curator.models.layouts.layout import Described
from nemo_curator.models.layouts.preprocessing import Preprocessing
from nemo_curator.models.layouts.settings import Settings
from nemo_curator.models.towers.layer import Layer
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import AttentionPool, VisionTower, VisionWeights

_NAME = re.compile(r"vit_(?P<size>[a-z0-9]+)_patch(?P<patch>\d{1,2})_siglip_(?P<side>\d{2,3})")
# width, layers, heads, length of a token inside a perceptron
_SIZES = {
    "base": (768, 12, 12, 3072),
    "large": (1024, 24, 16, 4096),
    "so400m": (1152, 27, 16, 4304),
    "giantopt": (1536, 40, 16, 6144),
}
# (size, side of a patch, of a picture): timm computes the older ones with another activation than their makers did
_EXACT = {("base", 16, side) for side in (224, 256, 384, 512)} | {("so400m", 14, side) for side in (224, 378, 384)}
_EXACT |= {("large", 16, side) for side in (256, 384)}
_TANH = {("so400m", 16, side) for side in (256, 384, 512)} | {("giantopt", 16, side) for side in (256, 384)}
_TANH |= {("base", 32, 256), ("large", 16, 512)}
_PREFIX = "visual.trunk."


def describe(model: Settings, vision: Settings, preprocessing: Preprocessing) -> Described:
    """The image tower that a name of timm stands for.

    Args:
        model: The section `model_cfg`.
        vision: The section `vision_cfg`.
        preprocessing: The view and the normalisation.

    Raises:
        WeightsError: It is no SigLIP, or does not fit the rest.
    """
    name = vision.content.get("timm_model_name")
    found = _NAME.fullmatch(name) if isinstance(name, str) else None
    kind = (found["size"], int(found["patch"]), int(found["side"])) if found else ("", 0, 0)
    gathered = (vision.content.get("timm_pool"), vision.content.get("timm_proj") or "none")
    if kind not in _EXACT | _TANH or gathered != ("map", "none"):
        raise vision.wrong(f"its image tower is {name!r} of timm, of which only SigLIP's are supported")
    size, patch, side = kind
    width, layers, heads, hidden = _SIZES[size]
    if model.whole("embed_dim", width) != width:
        raise model.wrong(f"embed_dim is {model.content['embed_dim']}, and {name} gives {width}")
    if side != preprocessing.side:
        raise vision.wrong(f"image_size is {preprocessing.side}, and {name} takes {side}")
    tower = VisionTower(
        width=width,
        hidden=hidden,
        layers=layers,
        heads=heads,
        side=preprocessing.side,
        patch=patch,
        dimension=width,
        activation="gelu" if kind in _EXACT else "gelu_tanh",
        epsilon=1e-6,
        mean=preprocessing.mean,
        deviation=preprocessing.deviation,
    )
    return Described(tower, preprocessing.view, (_PREFIX,), partial(arrange, tower))


def arrange(tower: VisionTower, tensors: Tensors) -> VisionWeights:
    """The arrays of a tower, by the names that timm gives them.

    Raises:
        WeightsError: One is missing, or has another shape.
    """
    width = tower.width
    return VisionWeights(
        tower=tower,
        kernel=tensors.take(f"{_PREFIX}patch_embed.proj.weight", width, 3, tower.patch, tower.patch),
        kernel_bias=tensors.take(f"{_PREFIX}patch_embed.proj.bias", width),
        first=np.empty((0, width), np.float32),
        positions=tensors.take(f"{_PREFIX}pos_embed", 1, tower.patches, width)[0],
        before=None,
        layer=lambda index: _layer(tower, tensors, f"{_PREFIX}blocks.{index}"),
        after=tensors.affine(f"{_PREFIX}norm", width),
        projection=None,
        pool=lambda: _pool(tower, tensors, f"{_PREFIX}attn_pool"),
    )


def _layer(tower: VisionTower, tensors: Tensors, prefix: str) -> Layer:
    width, hidden = tower.width, tower.hidden
    queries, keys, values = tensors.affine(f"{prefix}.attn.qkv", 3 * width, width).parts(3)
    return Layer(
        norm1=tensors.affine(f"{prefix}.norm1", width),
        queries=queries,
        keys=keys,
        values=values,
        out=tensors.affine(f"{prefix}.attn.proj", width, width),
        norm2=tensors.affine(f"{prefix}.norm2", width),
        rise=tensors.affine(f"{prefix}.mlp.fc1", hidden, width),
        fall=tensors.affine(f"{prefix}.mlp.fc2", width, hidden),
    )


def _pool(tower: VisionTower, tensors: Tensors, prefix: str) -> AttentionPool:
    width, hidden = tower.width, tower.hidden
    asking = tensors.affine(f"{prefix}.q", width, width)
    latent = tensors.take(f"{prefix}.latent", 1, 1, width)[0, 0]
    keys, values = tensors.affine(f"{prefix}.kv", 2 * width, width).parts(2)
    return AttentionPool(
        query=asking.weight @ latent + asking.bias,
        keys=keys,
        values=values,
        out=tensors.affine(f"{prefix}.proj", width, width),
        norm=tensors.affine(f"{prefix}.norm", width),
        rise=tensors.affine(f"{prefix}.mlp.fc1", hidden, width),
        fall=tensors.affine(f"{prefix}.mlp.fc2", width, hidden),
    )
