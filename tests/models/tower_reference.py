"""The towers of `tiny_towers` as their makers' libraries compute them. Nothing here is shipped.

Run as a script, in an environment with torch, transformers, open_clip and timm, it writes the golden file
`tests/data/models/towers.npz`: `PYTHONPATH=src:. python tests/models/tower_reference.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tests.models.formula import pictures
from tests.models.tiny_towers import HEADS, LAYERS, PATCH, TOWERS, WIDTH, Tiny, filled, with_biases

GOLDEN = Path(__file__).parents[1] / "data" / "models" / "towers.npz"
TIMM_SIDE = 40


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of unit L2 norm."""
    rows = rows.astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def transformers_rows(folder: Path, images: Any, *, cut: bool = False) -> np.ndarray:
    """Unit rows by transformers, from a folder as a user has it.

    Args:
        folder: The folder.
        images: Pictures that already are the view; or, to be cut by the model's own processor, of any size.
        cut: Which of the two.
    """
    import torch
    from transformers import AutoConfig, AutoImageProcessor, AutoModel, logging

    logging.set_verbosity_error()  # a text tower that is not there is meant
    logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, config=config, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    steps = {} if cut else {"do_resize": False, "do_center_crop": False}
    values = processor(list(images), return_tensors="pt", **steps).pixel_values
    with torch.inference_mode():
        vision = getattr(model, "vision_model", model)
        return unit(vision(pixel_values=values).pooler_output.numpy())


def normalised(pixels: np.ndarray, mean: list[float], deviation: list[float]) -> Any:
    """A torch tensor `(N, 3, H, W)`."""
    import torch

    values = (torch.from_numpy(pixels).float() / 255 - torch.tensor(mean)) / torch.tensor(deviation)
    return values.permute(0, 3, 1, 2)


def openclip_rows(tiny: Tiny, pixels: np.ndarray) -> np.ndarray:
    """Unit rows by open_clip's own builder of towers, of pictures that already are the view."""
    import torch
    from open_clip.model import CLIPVisionCfg, _build_vision_tower

    config = tiny.settings["open_clip_config.json"]
    model = config["model_cfg"]
    tower = _build_vision_tower(
        model["embed_dim"], CLIPVisionCfg(**model["vision_cfg"]), quick_gelu=model.get("quick_gelu", False)
    ).eval()
    tower.load_state_dict({name.removeprefix("visual."): torch.from_numpy(a) for name, a in tiny.tensors.items()})
    with torch.inference_mode():
        view = config["preprocess_cfg"]
        return unit(tower(normalised(pixels, view["mean"], view["std"])).numpy())


def timm_tensors() -> dict[str, np.ndarray]:
    """A state dict of a tiny SigLIP tower of timm in OpenCLIP's file, whose perceptrons are four times as wide."""
    hidden = 4 * WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "pos_embed": (1, (TIMM_SIDE // PATCH) ** 2, WIDTH),
        "attn_pool.latent": (1, 1, WIDTH),
    }
    norms = ["norm", "attn_pool.norm"]
    linears: dict[str, tuple[int, ...]] = {
        "patch_embed.proj": (WIDTH, 3, PATCH, PATCH),
        "attn_pool.q": (WIDTH, WIDTH),
        "attn_pool.kv": (2 * WIDTH, WIDTH),
        "attn_pool.proj": (WIDTH, WIDTH),
        "attn_pool.mlp.fc1": (hidden, WIDTH),
        "attn_pool.mlp.fc2": (WIDTH, hidden),
    }
    for layer in range(LAYERS):
        place = f"blocks.{layer}"
        norms += [f"{place}.norm1", f"{place}.norm2"]
        linears |= {f"{place}.attn.qkv": (3 * WIDTH, WIDTH), f"{place}.attn.proj": (WIDTH, WIDTH)}
        linears |= {f"{place}.mlp.fc1": (hidden, WIDTH), f"{place}.mlp.fc2": (WIDTH, hidden)}
    shapes |= with_biases(linears | dict.fromkeys(norms, (WIDTH,)))
    tensors = filled(shapes, gains=(*(f"{name}.weight" for name in norms),), seed=600)
    return {f"visual.trunk.{name}": array for name, array in tensors.items()}


def timm_rows(name: str, pixels: np.ndarray) -> np.ndarray:
    """Unit rows by a SigLIP tower of timm of that name, made tiny."""
    import timm
    import torch

    sizes = {"img_size": TIMM_SIDE, "patch_size": PATCH, "depth": LAYERS, "embed_dim": WIDTH, "num_heads": HEADS}
    model = timm.create_model(name, pretrained=False, num_classes=0, **sizes).eval()
    state = {name.removeprefix("visual.trunk."): torch.from_numpy(a) for name, a in timm_tensors().items()}
    model.load_state_dict(state)
    with torch.inference_mode():
        return unit(model(normalised(pixels, [0.5] * 3, [0.5] * 3)).numpy())


def main() -> None:
    """Write the golden file."""
    import tempfile

    import torch

    torch.set_num_threads(1)
    expected = {}
    for name, tiny in TOWERS.items():
        if name.startswith("clip"):  # which has a golden file of its own
            continue
        batch = pictures(3, tiny.side)
        with tempfile.TemporaryDirectory() as place:
            folder = tiny.write(Path(place)).parent
            rows = openclip_rows(tiny, batch) if name.startswith("openclip") else transformers_rows(folder, batch)
        expected[name] = rows.astype(np.float32)
    for key, name in (("timm-gelu", "vit_base_patch16_siglip_224"), ("timm-tanh", "vit_base_patch32_siglip_256")):
        expected[key] = timm_rows(name, pictures(3, TIMM_SIDE)).astype(np.float32)
    np.savez_compressed(GOLDEN, **expected)


if __name__ == "__main__":
    main()
