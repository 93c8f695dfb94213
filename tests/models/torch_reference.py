"""Plain torch forwards, written from the architectures' descriptions, to compare with. Nothing here is shipped.

Run as a script, in an environment with torch and transformers, it writes the golden files of `tests/data/models`:
`PYTHONPATH=src:. python tests/models/torch_reference.py`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from tests.models.formula import CLIP_TINY, clip_tensors, pictures, torch_file_tensors

LITE0_STAGES = [(1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1)]


def efficientnet_lite0(state, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(embedding, logits) of uint8 (N, 224, 224, 3), with unfolded batch norms and explicit padding."""
    import torch
    from torch.nn import functional

    def conv(x, name, norm, stride=1, *, act=True):
        weight = state[f"{name}.weight"]
        kernel, side = weight.shape[-1], x.shape[-1]
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        x = functional.pad(x, [total // 2, total - total // 2] * 2)
        x = functional.conv2d(x, weight, stride=stride, groups=x.shape[1] // weight.shape[1])
        parts = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = functional.batch_norm(x, *parts, training=False, eps=1e-3)
        return functional.relu6(x) if act else x

    with torch.inference_mode():
        x = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() - 127) / 128
        x = conv(x, "_conv_stem", "_bn0", 2)
        index = 0
        for repeats, _kernel, first in LITE0_STAGES:
            for repeat in range(repeats):
                prefix, before = f"_blocks.{index}.", x
                if f"{prefix}_expand_conv.weight" in state:
                    x = conv(x, f"{prefix}_expand_conv", f"{prefix}_bn0")
                x = conv(x, f"{prefix}_depthwise_conv", f"{prefix}_bn1", first if repeat == 0 else 1)
                x = conv(x, f"{prefix}_project_conv", f"{prefix}_bn2", act=False)
                x = x + before if x.shape == before.shape else x
                index += 1
        pooled = conv(x, "_conv_head", "_bn1").mean((2, 3))
        logits = functional.linear(pooled, state["_fc.weight"], state["_fc.bias"])
        return functional.normalize(pooled).numpy(), logits.numpy()


def clip(folder: Path, pixels: np.ndarray) -> np.ndarray:
    """Unit-norm image embeddings by transformers' own `CLIPModel`, of uint8 pictures that already are the view."""
    import torch
    from safetensors.numpy import load_file
    from transformers import CLIPConfig, CLIPModel

    config = json.loads((folder / "config.json").read_text())
    text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9}
    vision = {"projection_dim": config["projection_dim"], **config["vision_config"]}
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=config["projection_dim"])
    ).eval()
    state = {name: torch.from_numpy(array) for name, array in load_file(folder / "model.safetensors").items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    assert not [name for name in missing if name.startswith(("vision", "visual"))]
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    with torch.inference_mode():
        values = (torch.from_numpy(pixels).float() / 255 - mean) / deviation
        pooled = model.vision_model(pixel_values=values.permute(0, 3, 1, 2)).pooler_output
        return torch.nn.functional.normalize(model.visual_projection(pooled)).numpy()


def write_clip(folder: Path, activation: str) -> Path:
    """A tiny CLIP in the layout of a user's folder."""
    return write_tower(folder, {**CLIP_TINY, "vision_config": {**CLIP_TINY["vision_config"], "hidden_act": activation}})


def write_tower(folder: Path, config: dict) -> Path:
    """The image tower of a CLIP of any shape in the layout of a user's folder."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(clip_tensors(config), folder / "model.safetensors")
    return folder


def save_torch_files(folder: Path) -> None:
    """`zip.pth` and `legacy.pth`, with every kind of tensor that the reader promises to read."""
    import torch

    arrays = {name: torch.from_numpy(np.array(array, order="C")) for name, array in torch_file_tensors().items()}
    tree = {name: tensor for name, tensor in arrays.items() if not name.startswith("inner")}
    tree["parameter"] = torch.nn.Parameter(arrays["parameter"])
    tree["channels_last"] = arrays["channels_last"].contiguous(memory_format=torch.channels_last)
    tree["turned"] = arrays["turned"].t().contiguous().t()
    base = torch.zeros(100)
    base[10:40:3] = arrays["window"]
    tree["window"] = base[10:40:3]
    tree["bfloat"] = arrays["bfloat"].to(torch.bfloat16)
    tree["epoch"] = 3
    tree["inner"] = {"weight": arrays["inner.weight"], "list": [arrays["inner.list.0"], arrays["inner.list.1"]]}
    torch.save(tree, folder / "zip.pth")
    torch.save(tree, folder / "legacy.pth", _use_new_zipfile_serialization=False)


def main() -> None:
    """Write the golden files."""
    import torch

    from nemo_curator.models.registry import get_spec

    torch.set_num_threads(1)
    folder = Path(__file__).parents[1] / "data" / "models"
    save_torch_files(folder)
    state = torch.load(get_spec("efficientnet-lite0").weights.find(), weights_only=True)
    embedding, logits = efficientnet_lite0(state, pictures(4, 224))
    np.savez_compressed(folder / "efficientnet_lite0.npz", embedding=embedding, logits=logits)
    with tempfile.TemporaryDirectory() as place:
        expected = {
            name: clip(write_clip(Path(place) / name, name), pictures(3, 48)) for name in ("quick_gelu", "gelu")
        }
    np.savez_compressed(folder / "clip_tiny.npz", **expected)


if __name__ == "__main__":
    main()
