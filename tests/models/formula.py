"""Numbers and pictures made from integer formulas: the same on every machine, with every library."""

from __future__ import annotations

import numpy as np


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """float32 numbers between -scale/2 and scale/2, exact on every machine."""
    count = int(np.prod(shape, dtype=np.int64))
    index = np.arange(count, dtype=np.uint64) + np.uint64(seed * 1_000_003 + 1)
    mixed = (index * np.uint64(2654435761)) % np.uint64(2**32)
    mixed = ((mixed ^ (mixed >> np.uint64(13))) * np.uint64(1274126177)) % np.uint64(2**32)
    centred = (mixed >> np.uint64(8)).astype(np.float64) / 2**24 - 0.5
    return (centred * scale).astype(np.float32).reshape(shape)


def pictures(count: int, side: int) -> np.ndarray:
    """uint8 (count, side, side, 3): ramps, rings and checks that differ from picture to picture."""
    y, x, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    rows = []
    for k in range(count):
        ramp = (x * (k + 1) + y * 2 + c * 40) * 255 // (side * (k + 3) + 120)
        rings = ((x - side // 2) ** 2 + (y - side // 3) ** 2) // (side * (k + 1) // 4 + 1) * 37
        checks = ((x // (8 + k)) + (y // (6 + k))) % 2 * 90
        rows.append((ramp + rings + checks * (c + 1) // 2) % 256)
    return np.stack(rows).astype(np.uint8)


def unit_rows(count: int, width: int = 768) -> np.ndarray:
    """float32 (count, width) of unit L2 norm."""
    rows = numbers(count, width, seed=7).astype(np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def torch_file_tensors() -> dict[str, np.ndarray]:
    """What `zip.pth` and `legacy.pth` hold, by flattened name."""
    grid = numbers(4, 3, 2, 5, seed=1)
    return {
        "plain": numbers(3, 4, seed=2),
        "parameter": numbers(5, seed=3),
        "channels_last": grid,
        "turned": numbers(6, 7, seed=4).T,
        "window": numbers(100, seed=5)[10:40:3],
        "half": numbers(8, seed=6).astype(np.float16),
        "bfloat": (numbers(8, seed=8).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32),
        "double": numbers(4, seed=9).astype(np.float64),
        "counts": np.arange(-3, 3, dtype=np.int64),
        "flags": np.array([True, False, True]),
        "scalar": np.array(17, np.int64),
        "empty": np.zeros((0, 3), np.float32),
        "inner.weight": numbers(2, 2, seed=10),
        "inner.list.0": numbers(2, seed=11),
        "inner.list.1": numbers(3, seed=12),
    }


CLIP_TINY = {
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": 48,
        "patch_size": 16,
        "layer_norm_eps": 1e-5,
    },
    "projection_dim": 24,
}


def clip_tiny_tensors() -> dict[str, np.ndarray]:
    """A state dict for `CLIP_TINY`, large enough in its numbers that every layer matters."""
    return clip_tensors(CLIP_TINY)


def clip_tensors(config: dict) -> dict[str, np.ndarray]:
    """A state dict for the image tower of a configuration as model hubs write it."""
    vision, dimension = config["vision_config"], config["projection_dim"]
    width, hidden, patch = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": ((vision["image_size"] // patch) ** 2 + 1, width),
        "visual_projection.weight": (dimension, width),
    }
    norms = ["vision_model.pre_layrnorm", "vision_model.post_layernorm"]
    linears: dict[str, tuple[int, int]] = {}
    for layer in range(vision["num_hidden_layers"]):
        prefix = f"vision_model.encoder.layers.{layer}"
        norms += [f"{prefix}.layer_norm1", f"{prefix}.layer_norm2"]
        linears |= {f"{prefix}.self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        linears |= {f"{prefix}.mlp.fc1": (hidden, width), f"{prefix}.mlp.fc2": (width, hidden)}
    for name in norms:
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    tensors = {}
    for seed, (name, shape) in enumerate(sorted(shapes.items())):
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        tensors[name] = numbers(*shape, seed=seed + 20, scale=6 / fan**0.5)
    for name in norms:
        tensors[f"{name}.weight"] = tensors[f"{name}.weight"] * np.float32(0.3) + np.float32(1)
    return tensors


def clip_config(patch: int, dimension: int, **vision: int) -> dict:
    """What a hub's `config.json` says of a base CLIP (ViT-B) with 224-pixel views; `vision` changes its image tower."""
    base = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    tower = {**base, "image_size": 224, "patch_size": patch, "hidden_act": "quick_gelu", **vision}
    return {"vision_config": tower, "projection_dim": dimension}


SMALL_TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
"""For `clip_config`: a tower that takes the views of a real one and is a thousand times faster."""
