"""Small CLIPs with both towers, made from integer formulas, and what their text tower is by its description."""

from __future__ import annotations

import json

import numpy as np
from tests.models.formula import SMALL_TOWER, clip_config, clip_tensors, numbers

TEXT_TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
    "eos_token_id": 49407,
    "layer_norm_eps": 1e-5,
    "hidden_act": "quick_gelu",
}
"""For `both_towers`: a text tower a thousand times faster than a real one."""


def both_towers(patch: int, dimension: int, **text) -> dict:
    """What a hub's `config.json` says of a small CLIP; `text` changes its text tower."""
    return {**clip_config(patch, dimension, **SMALL_TOWER), "text_config": {**TEXT_TOWER, **text}}


def text_tensors(config: dict) -> dict[str, np.ndarray]:
    """A state dict for the text tower of a configuration, and the scale of cosines."""
    text, dimension = config["text_config"], config["projection_dim"]
    width, hidden = text["hidden_size"], text["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "text_model.embeddings.token_embedding.weight": (text["vocab_size"], width),
        "text_model.embeddings.position_embedding.weight": (text["max_position_embeddings"], width),
        "text_projection.weight": (dimension, width),
    }
    norms = ["text_model.final_layer_norm"]
    for layer in range(text["num_hidden_layers"]):
        prefix = f"text_model.encoder.layers.{layer}"
        norms += [f"{prefix}.layer_norm1", f"{prefix}.layer_norm2"]
        linears = {f"{prefix}.self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        linears |= {f"{prefix}.mlp.fc1": (hidden, width), f"{prefix}.mlp.fc2": (width, hidden)}
        for name, shape in linears.items():
            shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    tensors = {"logit_scale": np.array(np.log(50), np.float32)}
    for seed, (name, shape) in enumerate(sorted(shapes.items())):
        fan = 4 if len(shape) == 1 or "embedding" in name else shape[1]
        tensors[name] = numbers(*shape, seed=seed + 300, scale=6 / fan**0.5)
    for name in norms:
        tensors[f"{name}.weight"] = tensors[f"{name}.weight"] * np.float32(0.3) + np.float32(1)
    return tensors


def write_both(folder, config: dict):
    """A whole CLIP in the layout of a user's folder."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({**clip_tensors(config), **text_tensors(config)}, folder / "model.safetensors")
    return folder


def write_openclip(folder, config: dict, *, custom: bool):
    """The same arrays of the text tower as OpenCLIP lays them out; `custom` as in its newer models."""
    from safetensors.numpy import save_file

    held, text = text_tensors(config), config["text_config"]
    before = "text." if custom else ""
    made = {
        "logit_scale": held["logit_scale"],
        f"{before}token_embedding.weight": held["text_model.embeddings.token_embedding.weight"],
        f"{before}positional_embedding": held["text_model.embeddings.position_embedding.weight"],
        f"{before}text_projection": np.ascontiguousarray(held["text_projection.weight"].T),
    }
    names = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    names["self_attn.out_proj"] = "attn.out_proj"
    for part in ("weight", "bias"):
        made[f"{before}ln_final.{part}"] = held[f"text_model.final_layer_norm.{part}"]
        for layer in range(text["num_hidden_layers"]):
            source, target = f"text_model.encoder.layers.{layer}", f"{before}transformer.resblocks.{layer}"
            made |= {f"{target}.{new}.{part}": held[f"{source}.{old}.{part}"] for old, new in names.items()}
            joined = [held[f"{source}.self_attn.{one}_proj.{part}"] for one in "qkv"]
            made[f"{target}.attn.in_proj_{part}"] = np.concatenate(joined)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "context_length": text["max_position_embeddings"],
        "vocab_size": text["vocab_size"],
        "width": text["hidden_size"],
        "heads": text["num_attention_heads"],
        "layers": text["num_hidden_layers"],
        "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
    }
    model = {"embed_dim": config["projection_dim"], "vision_cfg": {"layers": 1}, "text_cfg": settings}
    model |= {"quick_gelu": text["hidden_act"] == "quick_gelu", "custom_text": custom}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model}))
    save_file(made, folder / "open_clip_model.safetensors")
    return folder


def forward(config: dict, tokens: np.ndarray) -> np.ndarray:
    """The embedding `(dimension,)` of the tokens `(77,)` of a text, in double precision, with all of the padding."""
    text, held = config["text_config"], text_tensors(config)
    state = {name: array.astype(np.float64) for name, array in held.items()}
    width, heads, length = text["hidden_size"], text["num_attention_heads"], len(tokens)

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + text["layer_norm_eps"])
        return centred / deviation * state[f"{name}.weight"] + state[f"{name}.bias"]

    def attention(x, name):
        asked, keys, values = (
            linear(x, f"{name}.{part}_proj").reshape(length, heads, width // heads).transpose(1, 0, 2) for part in "qkv"
        )
        scores = asked @ keys.transpose(0, 2, 1) / np.sqrt(width // heads)
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (weights / weights.sum(axis=-1, keepdims=True)) @ values
        return linear(mixed.transpose(1, 0, 2).reshape(length, width), f"{name}.out_proj")

    def activated(x):
        if text["hidden_act"] == "quick_gelu":
            return x / (1 + np.exp(-1.702 * x))
        from math import erf

        return x * (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2

    x = state["text_model.embeddings.token_embedding.weight"][tokens]
    x = x + state["text_model.embeddings.position_embedding.weight"][:length]
    for layer in range(text["num_hidden_layers"]):
        prefix = f"text_model.encoder.layers.{layer}"
        x = x + attention(norm(x, f"{prefix}.layer_norm1"), f"{prefix}.self_attn")
        risen = linear(norm(x, f"{prefix}.layer_norm2"), f"{prefix}.mlp.fc1")
        x = x + linear(activated(risen), f"{prefix}.mlp.fc2")
    last = norm(x, "text_model.final_layer_norm")[int((tokens == tokens.max()).argmax())]
    row = state["text_projection.weight"] @ last
    return row / np.linalg.norm(row)
