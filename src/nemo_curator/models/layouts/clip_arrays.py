"""Where the arrays of CLIP's towers lie in the layout of Hugging Face."""

from __future__ import annotations

from nemo_curator.models.towers.layer import Layer
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.text import TextTower, TextWeights
from nemo_curator.models.towers.vision import VisionTower, VisionWeights

PREFIXES = ("vision_model.", "visual_projection.")
"""What the names of the image tower's arrays begin with."""

TEXT_PREFIXES = ("text_model.", "text_projection.")
"""What the names of the text tower's arrays begin with."""


def vision_weights(tower: VisionTower, tensors: Tensors) -> VisionWeights:
    """The arrays of the image tower.

    Raises:
        WeightsError: One is missing or has another shape.
    """
    width = tower.width
    # a copy, because arrays from a torch file are read-only
    positions = tensors.take("vision_model.embeddings.position_embedding.weight", tower.tokens, width).copy()
    positions[0] += tensors.take("vision_model.embeddings.class_embedding", width)
    patch = "vision_model.embeddings.patch_embedding"
    return VisionWeights(
        tower=tower,
        kernel=tensors.take(f"{patch}.weight", width, 3, tower.patch, tower.patch),
        kernel_bias=tensors.bias(patch, width),
        first=positions[:1],
        positions=positions[1:],
        before=tensors.affine("vision_model.pre_layrnorm", width),
        layer=lambda index: layer(tower, tensors, f"vision_model.encoder.layers.{index}"),
        after=tensors.affine("vision_model.post_layernorm", width),
        projection=lambda: tensors.take("visual_projection.weight", tower.dimension, width),
    )


def text_weights(tower: TextTower, tensors: Tensors) -> TextWeights:
    """The arrays of the text tower.

    Raises:
        WeightsError: One is missing or has another shape.
    """
    return TextWeights(
        tower=tower,
        table=tensors.take("text_model.embeddings.token_embedding.weight", tower.vocabulary, tower.width),
        positions=tensors.take("text_model.embeddings.position_embedding.weight", tower.length, tower.width),
        layer=lambda index: layer(tower, tensors, f"text_model.encoder.layers.{index}"),
        after=tensors.affine("text_model.final_layer_norm", tower.width),
        projection=lambda: tensors.take("text_projection.weight", tower.dimension, tower.width),
    )


def layer(tower: VisionTower | TextTower, tensors: Tensors, prefix: str) -> Layer:
    """The arrays of one layer, which Hugging Face names alike in CLIP and SigLIP.

    Raises:
        WeightsError: One is missing or has another shape.
    """
    width, hidden = tower.width, tower.hidden
    return Layer(
        norm1=tensors.affine(f"{prefix}.layer_norm1", width),
        queries=tensors.affine(f"{prefix}.self_attn.q_proj", width, width),
        keys=tensors.affine(f"{prefix}.self_attn.k_proj", width, width),
        values=tensors.affine(f"{prefix}.self_attn.v_proj", width, width),
        out=tensors.affine(f"{prefix}.self_attn.out_proj", width, width),
        norm2=tensors.affine(f"{prefix}.layer_norm2", width),
        rise=tensors.affine(f"{prefix}.mlp.fc1", hidden, width),
        fall=tensors.affine(f"{prefix}.mlp.fc2", width, hidden),
    )
