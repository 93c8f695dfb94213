"""How far is the PDQ hash from the small view from that of the full picture, and which edits does it survive?

*View*: bits between the hash that the stage computes, from the view that the statistics share, and the hash of the full
picture. *Edits*: bits between a photograph and its edited copy, both from the view, on the Kodak suite; found is what
lies within 31 bits. *Known edits*: the same for the example pictures that PDQ's authors publish. *Unlike*: the nearest
two of all different photos. That the hash itself is PDQ's is a matter of tests: `tests/kernels/test_pdq.py`.

Run: `python benchmarks/hash_agreement.py`, with the photos beside the checkout; two minutes on one core.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.kernels.hamming import HammingIndex
from nemo_curator.kernels.pdq import PdqHash, pdq
from nemo_curator.stages.image.statistics import STATISTICS_VIEW
from support.clean_pictures import SHARED, photo_files
from support.machine import publish, skip

Pixels = npt.NDArray[np.uint8]
RADIUS = 31


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    """So much of each length cut away, in the middle of what stays."""
    return lambda one: one.crop(
        (
            round(one.width * share / 2),
            round(one.height * share / 2),
            one.width - round(one.width * share / 2),
            one.height - round(one.height * share / 2),
        )
    )


def framed(one: Image.Image) -> Image.Image:
    """A black frame of 3 % of the shorter side."""
    edge = round(min(one.size) * 0.03)
    out = Image.new("RGB", (one.width + 2 * edge, one.height + 2 * edge))
    out.paste(one, (edge, edge))
    return out


def covered(across: float, down: float, colour: str) -> Callable[[Image.Image], Image.Image]:
    """A bar of these shares of width and height in the lower left corner."""

    def edit(one: Image.Image) -> Image.Image:
        out = one.copy()
        top = round(one.height * (1 - down))
        ImageDraw.Draw(out).rectangle((0, top, round(one.width * across), one.height), fill=colour)
        return out

    return edit


def turned(degrees: float) -> Callable[[Image.Image], Image.Image]:
    """By a few degrees, corners black."""
    return lambda one: one.rotate(degrees, Image.Resampling.BICUBIC)


def saved(quality: int) -> Callable[[Image.Image], Image.Image]:
    """As a JPEG."""

    def edit(one: Image.Image) -> Image.Image:
        file = io.BytesIO()
        one.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return edit


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved as JPEG of quality 20": saved(20),
    "shrunk to a third": lambda one: one.resize((one.width // 3, one.height // 3), Image.Resampling.BICUBIC),
    "grey": lambda one: one.convert("L").convert("RGB"),
    "cropped by 2 % of each length": cropped(0.02),
    "cropped by 4 %": cropped(0.04),
    "cropped by 10 %": cropped(0.10),
    "a black frame of 3 %": framed,
    "a black bar over the lowest 15 %": covered(1.0, 0.15, "black"),
    "a white label over a third of the lowest 7 %": covered(1 / 3, 0.07, "white"),
    "turned by 1 degree": turned(1),
    "turned by 3 degrees": turned(3),
    "turned by a quarter": lambda one: one.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda one: one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "gamma 0.5": lambda one: one.point([round(255 * (level / 255) ** 0.5) for level in range(256)] * 3),
    "negative": lambda one: one.point([255 - level for level in range(256)] * 3),
}


def from_view(pixels: Pixels) -> PdqHash:
    """As the stage computes it."""
    return pdq(cut(pixels, [STATISTICS_VIEW])[STATISTICS_VIEW], (pixels.shape[1], pixels.shape[0]))


def bits(one: PdqHash, other: PdqHash) -> int:
    """In which two hashes differ."""
    return (int.from_bytes(one.bits) ^ int.from_bytes(other.bits)).bit_count()


def spread(distances: Iterable[int]) -> dict[str, Any]:
    """Median, 90 %, 99 %, most."""
    values = np.sort(list(distances))
    at = {q: int(values[max(0, int(np.ceil(q * len(values))) - 1)]) for q in (0.5, 0.9, 0.99)}
    return {"pictures": len(values), "median": at[0.5], "90 %": at[0.9], "99 %": at[0.99], "most": int(values[-1])}


def pixels_of(data: bytes) -> Pixels:
    """Upright, in full."""
    return decode(data, probe(data))


def edited(pictures: Iterable[Pixels]) -> dict[str, Any]:
    """Each edit over all pictures."""
    found: dict[str, list[int]] = {name: [] for name in EDITS}
    for pixels in pictures:
        original = from_view(pixels)
        for name, edit in EDITS.items():
            found[name].append(bits(original, from_view(np.ascontiguousarray(edit(Image.fromarray(pixels))))))
    return {
        name: {"median": spread(values)["median"], "found": sum(value <= RADIUS for value in values), "of": len(values)}
        for name, values in found.items()
    }


def nearest_pair(hashes: list[PdqHash]) -> int:
    """Bits between the two nearest of different photos."""
    rows = np.frombuffer(b"".join(one.bits for one in hashes), np.uint8).reshape(-1, 32)
    pairs = HammingIndex(rows).pairs(rows, 256)
    return min(int(found.distance[found.left < found.right].min(initial=257)) for found in pairs)


def main() -> None:
    """All three collections."""
    if not (SHARED / "kodak").is_dir():
        skip("the photos are not beside this checkout; made pictures would say nothing about photos")
    kodak = [pixels_of(path.read_bytes()) for path in sorted((SHARED / "kodak").glob("*.png"))]
    copies = [pixels_of(path.read_bytes()) for path in sorted((SHARED / "copies").rglob("*.jp*g"))]
    view = {
        name: spread(bits(from_view(one), pdq(one)) for one in some)
        for name, some in (("kodak", kodak), ("copies", copies))
    }
    hashes, apart = [], []
    for data in photo_files(SHARED / "photos", 1000).values():
        pixels = pixels_of(data)
        hashes.append(from_view(pixels))
        apart.append(bits(hashes[-1], pdq(pixels)))
    view["photos"] = spread(apart)
    bridge = sorted((SHARED / "copies" / "bridge-mods").glob("*.jpg"))  # the original's name is the first
    first, *others = (from_view(pixels_of(path.read_bytes())) for path in bridge)
    publish(
        "hash_agreement",
        {
            "view_against_full_picture": view,
            "edits_of_kodak": edited(kodak),
            "known_edits": {"of": len(others), "farthest": max(bits(first, one) for one in others)},
            "nearest_two_of_1000_photos": nearest_pair(hashes),
            "photos_of_quality_below_50": sum(one.quality < 50 for one in hashes),
        },
    )


if __name__ == "__main__":
    main()
