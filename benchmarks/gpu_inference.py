"""What does a GPU make of ViT-L/14 from JPEG bytes, and what could it make?

One after the other, each as one figure:

- *peak*: what the device does of large matrix products in bf16, on random numbers;
- *bare*: images/s of the model on pictures that lie on the device, by the size of the batch, and the share of the peak;
- *session*: images/s from arrays in the host's memory, copies overlapped, by one caller and by two;
- *compiled*: the bare model through torch.compile, to judge our choice of a recorded graph (with `--compile`);
- *decode*: images/s that reader and decode workers deliver, with no model behind them;
- *whole*: images/s from JPEG bytes in tars to embeddings, by the same workers with the model behind them.

`ratio` is whole / bare, whose goal is 0.6. Decode and whole are measured as the difference of a long and a short run,
because starting processes and loading weights is no rate. Weights are random ones of the true shape, made here.

Without a GPU it says so and ends well; `--rehearse` goes the whole way on the CPU with a tower of two layers, to try
the script. On a machine without the package's dependencies the steps that need them are left out, and named.

Run: `python benchmarks/gpu_inference.py [--compile] [--rehearse] [--seconds 8]`
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nemo_curator.models.clip import ClipVisionTower
from nemo_curator.models.clip_config import read_config
from nemo_curator.models.numerics import PRECISIONS, Numerics, default, runtimes
from nemo_curator.models.registry import get_spec
from nemo_curator.models.runtimes.opening import open_tower
from nemo_curator.models.runtimes.torch_session import TorchSession
from nemo_curator.models.towers.vision import VisionTower, write
from support.machine import publish, skip

NAME = "clip-vit-large-patch14"
SIZES = (32, 64, 128, 256)
LARGE = 8192  # side of the matrices of the peak
PRODUCTS = 20
MADE = 8  # tars of pictures that differ
DECODED = 300  # images/s that a core is guessed to decode
COMPILED = ("default", "max-autotune")


@dataclass(frozen=True)
class Setting:
    """What is measured: the real thing, or a rehearsal of it.

    Attributes:
        numerics: How the model is computed.
        layers: Of the tower.
        seconds: That a measurement takes, about.
        tar: Pictures of a tar.
    """

    numerics: Numerics
    layers: int
    seconds: float
    tar: int

    @property
    def cuda(self) -> bool:
        """Whether there is a device."""
        return self.numerics.device == "cuda"


def main() -> None:
    """Measure, or say why not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too, which takes minutes")
    parser.add_argument("--rehearse", action="store_true", help="a small tower on the CPU, to try the script")
    parser.add_argument("--seconds", type=float, default=8, help="how long a measurement takes, about")
    asked = parser.parse_args()
    if asked.rehearse:
        setting = Setting(Numerics("onnxruntime"), 2, 0.5, 10)
    elif "torch" in runtimes():
        setting = Setting(default(PRECISIONS), 24, asked.seconds, 125)
    else:
        skip("there is no CUDA device here, or no torch for one")
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder) / "models"
        write_weights(models / "openai" / NAME, setting.layers)
        figures = {"model": f"{NAME}, random weights, {setting.numerics}"}
        figures |= model_figures(models, setting, compiled=asked.compile)
        figures |= run_figures(models, Path(folder), setting, figures["bare_images_per_second"])
    publish("gpu_inference_rehearsal" if asked.rehearse else "gpu_inference", figures)


def write_weights(folder: Path, layers: int) -> None:
    """A ViT-L/14 image tower in the layout of the hub, 16-bit floats, numbers of the size that training begins with."""
    from safetensors.numpy import save_file

    width, hidden, tokens, dimension = 1024, 4096, 257, 768
    random = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        fan = int(np.prod(shape[1:])) or width
        return (random.standard_normal(shape, np.float32) * np.float32(fan**-0.5)).astype(np.float16)

    tensors = {
        "vision_model.embeddings.class_embedding": some(width, 1).ravel(),
        "vision_model.embeddings.patch_embedding.weight": some(width, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": some(tokens, width),
        "visual_projection.weight": some(dimension, width),
    }
    norms = ["vision_model.pre_layrnorm", "vision_model.post_layernorm"]
    for index in range(layers):
        layer = f"vision_model.encoder.layers.{index}"
        norms += [f"{layer}.layer_norm1", f"{layer}.layer_norm2"]
        shapes = {f"self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        for name, shape in {**shapes, "mlp.fc1": (hidden, width), "mlp.fc2": (width, hidden)}.items():
            tensors[f"{layer}.{name}.weight"] = some(*shape)
            tensors[f"{layer}.{name}.bias"] = np.zeros(shape[0], np.float16)
    for name in norms:
        tensors |= {f"{name}.weight": np.ones(width, np.float16), f"{name}.bias": np.zeros(width, np.float16)}
    shape = {"hidden_size": width, "intermediate_size": hidden, "num_hidden_layers": layers, "num_attention_heads": 16}
    vision = {**shape, "image_size": 224, "patch_size": 14}
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"vision_config": vision, "projection_dim": dimension}))
    save_file(tensors, folder / "model.safetensors")


def operations(tower: VisionTower) -> float:
    """Floating-point operations of products that one picture takes; the last layer computes its first token alone."""
    tokens, width, hidden = tower.tokens, tower.width, tower.hidden
    kernel = tower.patches * 3 * tower.patch**2 * width
    each, others = 2 * width**2 + 2 * width * hidden, 2 * width**2  # by token: queries, out, perceptron; keys, values
    attention = 2 * tokens * width  # by token that asks
    full = tokens * (each + others + attention)
    last = each + attention + tokens * others
    return 2.0 * (kernel + (tower.layers - 1) * full + last + width * tower.dimension)


def model_figures(models: Path, setting: Setting, *, compiled: bool) -> dict[str, Any]:
    """The device and the model on it, without reader and workers."""
    tower = read_config(models / "openai" / NAME)
    needed = operations(tower)
    figures: dict[str, Any] = {"gflop_per_image": round(needed / 1e9, 1)}
    if not setting.cuda:
        session: Any = open_tower(writer(models), setting.numerics, group=1, threads=1, where="")
        return figures | {"bare_images_per_second": round(rate_of_calls(session, 8, setting.seconds), 1)}
    peak = products_per_second()
    figures |= {"device": setting.numerics.libraries(), "peak_bf16_tflops": round(peak / 1e12, 1)}
    by_size = {size: bare_rate(models, setting, size) for size in SIZES}
    figures["bare_by_batch"] = {size: round(rate, 1) for size, rate in by_size.items()}
    figures["share_of_peak_by_batch"] = {size: round(rate * needed / peak, 3) for size, rate in by_size.items()}
    session = opened(models, setting)
    bare = by_size.get(session.batch) or bare_rate(models, setting, session.batch)
    figures |= {"batch": session.batch, "recorded": session.engine.recorded, "bare_images_per_second": round(bare, 1)}
    figures["share_of_peak"] = round(bare * needed / peak, 3)
    for callers in (1, 2):
        for size in (session.batch, 8 * session.batch):
            rate = rate_of_calls(session, size, setting.seconds / 4, callers)
            figures[f"session_{callers}_callers_of_{size}"] = round(rate, 1)
    if compiled:
        figures["compiled_images_per_second"] = {mode: compiled_rate(session, mode) for mode in COMPILED}
    return figures


def writer(models: Path) -> Callable[[Any], None]:
    """A function that writes the tower."""
    spec = get_spec(NAME)
    model = ClipVisionTower(spec, models / "openai" / NAME / "model.safetensors")
    return lambda ops: write(ops, model.read())


def opened(models: Path, setting: Setting, batch: int | None = None) -> TorchSession:
    """The model on the device."""
    return TorchSession(writer(models), precision=setting.numerics.precision, device="cuda", batch=batch)


def products_per_second() -> float:
    """Operations a second of a large product of random matrices; the best of a few rounds."""
    import torch

    first, second = (torch.randn(LARGE, LARGE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    torch.matmul(first, second)
    taken = []
    for _ in range(5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.matmul(first, second)
        torch.cuda.synchronize()
        taken.append((time.perf_counter() - start) / PRODUCTS)
    return 2 * LARGE**3 / min(taken)


def bare_rate(models: Path, setting: Setting, size: int) -> float:
    """Images/s of the model on pictures that lie on the device."""
    session = opened(models, setting, size)
    session.run(noise(size))  # which lie there from now on
    engine = session.engine
    assert engine is not None
    engine.repeat(3)
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < setting.seconds / 4:
        engine.repeat(10)
        rounds += 10
    return rounds * size / (time.perf_counter() - start)


def rate_of_calls(session: Any, size: int, seconds: float, callers: int = 1) -> float:
    """Images/s of calls of so many pictures, by so many threads."""
    batch = noise(size)
    session.run(batch, "embedding")
    start = time.perf_counter()

    def call(_: int) -> int:
        done = 0
        while time.perf_counter() - start < seconds:
            done += len(session.run(batch, "embedding"))
        return done

    with ThreadPoolExecutor(callers) as pool:
        done = sum(pool.map(call, range(callers)))
    return done / (time.perf_counter() - start)


def compiled_rate(session: TorchSession, mode: str) -> float | str:
    """Images/s of the same graph through torch's compiler, on pictures that lie on the device; or why not."""
    import torch

    try:
        with torch.inference_mode():
            module = torch.compile(session._module, mode=mode, dynamic=False)  # noqa: SLF001  the graph itself
            pictures = torch.from_numpy(noise(session.batch)).cuda()
            for _ in range(3):
                module(pictures)
            torch.cuda.synchronize()
            start = time.perf_counter()
            for _ in range(50):
                module(pictures)
            torch.cuda.synchronize()
    except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the answer
        return f"{type(error).__name__}: {error}"[:200]
    return round(50 * session.batch / (time.perf_counter() - start), 1)


def noise(count: int) -> np.ndarray:
    """Pictures, because zeros run faster than they should."""
    return np.random.default_rng(1).integers(0, 256, (count, 224, 224, 3), np.uint8)


def run_figures(models: Path, folder: Path, setting: Setting, bare: float) -> dict[str, Any]:
    """Reader and decode workers, without and with the model behind them."""
    try:
        from support.embedding_pipeline import Whole, linked_tars, made_tars
    except ImportError as error:
        return {"left_out": f"decode and whole: {error}"}
    some = linked_tars(made_tars(folder / "made", MADE, setting.tar), folder / "tars")
    figures: dict[str, Any] = {"pictures": f"made ones of 500 x 375, JPEG, {MADE * setting.tar} different ones"}
    guesses = {"decode": DECODED * (os.cpu_count() or 1), "whole": bare}
    for name, guess in guesses.items():
        whole = Whole.of(NAME, models, compute=name == "whole")
        figures[f"{name}_images_per_second"] = round(whole.rate(some, setting.tar, round(guess * setting.seconds)), 1)
    return figures | {"ratio": round(figures["whole_images_per_second"] / bare, 3), "goal": 0.6}


if __name__ == "__main__":
    main()
