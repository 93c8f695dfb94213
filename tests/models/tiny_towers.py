"""Tiny towers of every layout: the true blocks with numbers from integer formulas, in the files of their makers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tests.models.formula import CLIP_TINY, clip_tiny_tensors, numbers

WIDTH, HIDDEN, LAYERS, HEADS, PATCH = 32, 64, 2, 4, 8
HALF = [0.5, 0.5, 0.5]
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TINY_TEXT = {
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "vocab_size": 9,
}
SQUASHED = {
    "image_processor_type": "SiglipImageProcessor",
    "image_mean": HALF,
    "image_std": HALF,
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
}


@dataclass(frozen=True)
class Tiny:
    """A tower in a folder.

    Attributes:
        weights: Name of the weight file.
        settings: Name of each settings file to its content.
        tensors: Name to array.
        side: Side of its pictures.
        dimension: Length of its embedding.
    """

    weights: str
    settings: dict[str, dict[str, Any]]
    tensors: dict[str, np.ndarray]
    side: int
    dimension: int
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Its files; the weight file's path."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.settings.items():
            (folder / name).write_text(json.dumps(content))
        save_file(self.tensors | self.extra, folder / self.weights)
        return folder / self.weights


def filled(shapes: dict[str, tuple[int, ...]], *, gains: tuple[str, ...], seed: int = 40) -> dict[str, np.ndarray]:
    """Numbers for each shape; those whose names end with one of `gains` lie around one, as a norm's do."""
    tensors = {}
    for index, (name, shape) in enumerate(sorted(shapes.items())):
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 4
        array = numbers(*shape, seed=seed + index, scale=6 / fan**0.5)
        tensors[name] = array * np.float32(0.3) + np.float32(1) if name.endswith(gains) else array
    return tensors


def with_biases(linears: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """`.weight` and `.bias` of each layer or norm."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in linears.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


def clip(activation: str) -> Tiny:
    """CLIP in the layout of Hugging Face."""
    vision = {**CLIP_TINY["vision_config"], "hidden_act": activation}
    config = {"model_type": "clip", **CLIP_TINY, "vision_config": vision}
    return Tiny("model.safetensors", {"config.json": config}, clip_tiny_tensors(), 48, 24)


def openclip(*, quick: bool, scaled: bool, squashed: bool) -> Tiny:
    """A vision transformer of OpenCLIP."""
    shapes: dict[str, tuple[int, ...]] = {
        "class_embedding": (WIDTH,),
        "positional_embedding": (26, WIDTH),
        "proj": (WIDTH, 24),
        "conv1.weight": (WIDTH, 3, PATCH, PATCH),
    }
    norms = ["ln_pre", "ln_post"]
    linears: dict[str, tuple[int, ...]] = {}
    for layer in range(LAYERS):
        prefix = f"transformer.resblocks.{layer}"
        norms += [f"{prefix}.ln_1", f"{prefix}.ln_2"]
        shapes |= {f"{prefix}.attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{prefix}.attn.in_proj_bias": (3 * WIDTH,)}
        linears |= {f"{prefix}.attn.out_proj": (WIDTH, WIDTH)}
        linears |= {f"{prefix}.mlp.c_fc": (HIDDEN, WIDTH), f"{prefix}.mlp.c_proj": (WIDTH, HIDDEN)}
        if scaled:
            shapes |= {f"{prefix}.ls_1.gamma": (WIDTH,), f"{prefix}.ls_2.gamma": (WIDTH,)}
    shapes |= with_biases(linears | dict.fromkeys(norms, (WIDTH,)))
    tensors = filled(shapes, gains=(*(f"{name}.weight" for name in norms),))
    vision = {
        "image_size": 40,
        "layers": LAYERS,
        "width": WIDTH,
        "head_width": 8,
        "mlp_ratio": 2.0,
        "patch_size": PATCH,
    }
    if scaled:
        vision["ls_init_value"] = 0.1
    model = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": {"width": 32}}
    if quick:
        model["quick_gelu"] = True
    view = {"mean": CLIP_MEAN, "std": CLIP_STD}
    if squashed:
        view |= {"mean": HALF, "std": HALF, "interpolation": "bilinear", "resize_mode": "squash"}
    settings = {"open_clip_config.json": {"model_cfg": model, "preprocess_cfg": view}}
    text = {"positional_embedding": np.zeros((7, 32), np.float32), "logit_scale": np.ones((), np.float32)}
    named = {f"visual.{name}": array for name, array in tensors.items()}
    return Tiny("open_clip_model.safetensors", settings, named, 40, 24, text)


def siglip(*, alone: bool = False, side: int = 40, resample: int = 2) -> Tiny:
    """SigLIP in the layout of Hugging Face, with its text tower or alone."""
    prefix = "" if alone else "vision_model."
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.patch_embedding.weight": (WIDTH, 3, PATCH, PATCH),
        "embeddings.patch_embedding.bias": (WIDTH,),
        "embeddings.position_embedding.weight": ((side // PATCH) ** 2, WIDTH),
        "head.probe": (1, 1, WIDTH),
        "head.attention.in_proj_weight": (3 * WIDTH, WIDTH),
        "head.attention.in_proj_bias": (3 * WIDTH,),
    }
    norms = ["post_layernorm", "head.layernorm"]
    linears: dict[str, tuple[int, ...]] = {"head.attention.out_proj": (WIDTH, WIDTH)}
    linears |= {"head.mlp.fc1": (HIDDEN, WIDTH), "head.mlp.fc2": (WIDTH, HIDDEN)}
    for layer in range(LAYERS):
        place = f"encoder.layers.{layer}"
        norms += [f"{place}.layer_norm1", f"{place}.layer_norm2"]
        linears |= {f"{place}.self_attn.{name}_proj": (WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
        linears |= {f"{place}.mlp.fc1": (HIDDEN, WIDTH), f"{place}.mlp.fc2": (WIDTH, HIDDEN)}
    shapes |= with_biases(linears | dict.fromkeys(norms, (WIDTH,)))
    tensors = filled(shapes, gains=(*(f"{name}.weight" for name in norms),), seed=200)
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_size": WIDTH,
        "intermediate_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "image_size": side,
        "patch_size": PATCH,
    }
    config = vision if alone else {"model_type": "siglip", "vision_config": vision, "text_config": TINY_TEXT}
    view = {**SQUASHED, "resample": resample, "size": {"height": side, "width": side}}
    text = {} if alone else {"text_model.final_layer_norm.weight": np.ones(8, np.float32)}
    named = {f"{prefix}{name}": array for name, array in tensors.items()}
    return Tiny(
        "model.safetensors", {"config.json": config, "preprocessor_config.json": view}, named, side, WIDTH, text
    )


def dinov2(*, registers: int = 0, patch: int = PATCH, known: int = 72, resized: int = 46, side: int = 40) -> Tiny:
    """DINOv2 in the layout of Hugging Face; its positions were learnt for pictures of another side."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, WIDTH),
        "embeddings.mask_token": (1, WIDTH),
        "embeddings.position_embeddings": (1, (known // patch) ** 2 + 1, WIDTH),
    }
    if registers:
        shapes["embeddings.register_tokens"] = (1, registers, WIDTH)
    norms = ["layernorm"]
    linears: dict[str, tuple[int, ...]] = {"embeddings.patch_embeddings.projection": (WIDTH, 3, patch, patch)}
    for layer in range(LAYERS):
        place = f"encoder.layer.{layer}"
        norms += [f"{place}.norm1", f"{place}.norm2"]
        linears |= {f"{place}.attention.attention.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value")}
        linears |= {f"{place}.attention.output.dense": (WIDTH, WIDTH)}
        linears |= {f"{place}.mlp.fc1": (HIDDEN, WIDTH), f"{place}.mlp.fc2": (WIDTH, HIDDEN)}
        shapes |= {f"{place}.layer_scale{one}.lambda1": (WIDTH,) for one in (1, 2)}
    shapes |= with_biases(linears | dict.fromkeys(norms, (WIDTH,)))
    tensors = filled(shapes, gains=(*(f"{name}.weight" for name in norms),), seed=400)
    config = {
        "model_type": "dinov2_with_registers" if registers else "dinov2",
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "mlp_ratio": 2,
        "image_size": known,
        "patch_size": patch,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
    }
    if registers:
        config["num_register_tokens"] = registers
    view = {
        "image_processor_type": "BitImageProcessor",
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "size": {"shortest_edge": resized},
        "resample": 3,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    return Tiny("model.safetensors", {"config.json": config, "preprocessor_config.json": view}, tensors, side, WIDTH)


TOWERS: dict[str, Tiny] = {
    "clip": clip("quick_gelu"),
    "clip-gelu": clip("gelu"),
    "openclip": openclip(quick=False, scaled=False, squashed=False),
    "openclip-quick": openclip(quick=True, scaled=True, squashed=True),
    "siglip": siglip(),
    "siglip-alone": siglip(alone=True, side=44),  # a side that patches do not divide, as so400m's
    "dinov2": dinov2(),
    "dinov2-registers": dinov2(registers=3),
}
"""Every layout, with what varies inside it."""
