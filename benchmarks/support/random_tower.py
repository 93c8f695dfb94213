"""CLIP image towers of the true shape with random numbers: good for speed and agreement, and for nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

_SHAPES = {
    "clip-vit-large-patch14": (1024, 4096, 24, 16, 14, 768),
    "clip-vit-base-patch32": (768, 3072, 12, 12, 32, 512),
    "clip-vit-base-patch16": (768, 3072, 12, 12, 16, 512),
}


def write_random_tower(models: Path, name: str) -> Path:
    """The tower in the layout of a user's folder, below `models`; returns its folder."""
    from safetensors.numpy import save_file

    width, hidden, layers, heads, patch, dimension = _SHAPES[name]
    folder = models / "openai" / name
    folder.mkdir(parents=True, exist_ok=True)
    vision = {
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "image_size": 224,
        "patch_size": patch,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": dimension,
        "model_type": "clip_vision_model",
    }
    config = {"model_type": "clip", "projection_dim": dimension, "vision_config": vision}
    (folder / "config.json").write_text(json.dumps(config))
    draw = np.random.default_rng(0)

    def normal(*shape: int, scale: float) -> np.ndarray:
        return (draw.standard_normal(shape, np.float32) * np.float32(scale)).astype(np.float32)

    prefix = "vision_model"
    tensors = {
        f"{prefix}.embeddings.class_embedding": normal(width, scale=width**-0.5),
        f"{prefix}.embeddings.patch_embedding.weight": normal(width, 3, patch, patch, scale=0.02),
        f"{prefix}.embeddings.position_embedding.weight": normal((224 // patch) ** 2 + 1, width, scale=0.02),
        "visual_projection.weight": normal(dimension, width, scale=width**-0.5),
    }
    norms = [f"{prefix}.pre_layrnorm", f"{prefix}.post_layernorm"]
    for layer in range(layers):
        inside = f"{prefix}.encoder.layers.{layer}"
        norms += [f"{inside}.layer_norm1", f"{inside}.layer_norm2"]
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            tensors[f"{inside}.self_attn.{part}.weight"] = normal(width, width, scale=width**-0.5)
            tensors[f"{inside}.self_attn.{part}.bias"] = normal(width, scale=0.02)
        tensors[f"{inside}.mlp.fc1.weight"] = normal(hidden, width, scale=width**-0.5)
        tensors[f"{inside}.mlp.fc1.bias"] = normal(hidden, scale=0.02)
        tensors[f"{inside}.mlp.fc2.weight"] = normal(width, hidden, scale=hidden**-0.5)
        tensors[f"{inside}.mlp.fc2.bias"] = normal(width, scale=0.02)
    for norm in norms:
        tensors[f"{norm}.weight"] = 1 + normal(width, scale=0.1)
        tensors[f"{norm}.bias"] = normal(width, scale=0.05)
    save_file(tensors, folder / "model.safetensors")
    return folder
