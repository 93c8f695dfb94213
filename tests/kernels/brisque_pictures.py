"""Pictures for the golden scores of BRISQUE: whole numbers alone, so that every machine makes the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def pictures() -> dict[str, Pixels]:
    """Name to `(H, W, 3)` uint8: textures like a photograph's, damage, flat areas, odd and small sizes."""
    sizes = {"small": (96, 72), "odd": (255, 131), "strip": (700, 33), "usual": (500, 375)}
    made = {name: _texture(seed, *size) for seed, (name, size) in enumerate(sizes.items())}
    usual = made["usual"]
    random = np.random.default_rng(99)
    made["noisy"] = np.clip(usual + random.integers(-40, 41, usual.shape), 0, 255).astype(np.uint8)
    made["soft"] = _box(_box(usual.astype(np.int64), 5), 5).astype(np.uint8)
    made["blocks"] = usual.repeat(8, 0).repeat(8, 1)[: len(usual), : usual.shape[1]]
    made["grey"] = usual[..., :1].repeat(3, 2)
    made["dark"] = usual // 8
    made["boxed"] = usual.copy()
    made["boxed"][:90] = made["boxed"][-90:] = 0
    made["white"] = usual.copy()
    made["white"][:, 200:] = 255
    made["uniform"] = np.full((120, 90, 3), (10, 200, 77), np.uint8)
    made["dot"] = np.zeros((64, 64, 3), np.uint8)
    made["dot"][30, 31] = 255
    made["tiny"] = usual[:4, :4].copy()
    made["pixel"] = usual[:1, :1].copy()
    return made


def _texture(seed: int, width: int, height: int) -> Pixels:
    """Random levels at several scales, with a box of another colour: edges, slopes and fine structure."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.int64)
    for scale, strength in ((64, 220), (16, 120), (4, 60), (1, 14)):
        down, across = -(-height // scale) + 1, -(-width // scale) + 1
        coarse = random.integers(-strength, strength + 1, (down, across, 3))
        total += _box(coarse.repeat(scale, 0).repeat(scale, 1), scale | 1)[:height, :width]
    total += 128
    total[height // 3 : height // 2, width // 4 : width // 2] += np.array([60, -30, 10])
    return np.clip(total, 0, 255).astype(np.uint8)


def _box(values: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Means over `size` x `size`, rounded down, the edges repeated."""
    reach = size // 2
    padded = np.pad(values, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    sums = np.pad(padded.cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    whole = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    return whole // size**2
