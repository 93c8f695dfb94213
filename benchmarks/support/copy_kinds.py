"""What a picture is told by: our kinds of duplicates, and other packages that look for copies, where installed.

A kind gives, of a picture that is looked up, one code; of a picture that is stored, one or several (its turns), of
which the nearest counts. Codes are bytes, compared by the bits in which they differ, or unit vectors, by 1 - cosine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from nemo_curator.codecs.views import cut
from nemo_curator.kernels.pdq import mirrored_spectra, pack, spectrum
from nemo_curator.kernels.pdq_turns import turned
from nemo_curator.kernels.pixel_hash import pixel_hash
from nemo_curator.models import registry
from nemo_curator.stages.image.statistics import STATISTICS_VIEW

Pixels = npt.NDArray[np.uint8]
Codes = npt.NDArray[Any]
MODELS = ("efficientnet-lite0",)  # embeddings that an installation brings along
PEERS = ("ImageHash", "imagededup", "pdqhash")


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to tell copies.

    Attributes:
        source: Which codes of `describe` it looks at.
        turns: How many of the stored codes count.
        ours: Whether it is ours.
    """

    source: str
    turns: int = 1
    ours: bool = True


def installed() -> dict[str, str]:
    """The version of each other package, or that it is not installed."""
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def kinds() -> dict[str, Kind]:
    """All that can be measured here, by name."""
    there = {name for name, said in installed().items() if said != "not installed"}
    ours = {
        "pixels": Kind("pixels"),
        "copies": Kind("pdq"),
        "copies, turned": Kind("pdq", 8),
        **{f"similar, {name}": Kind(name) for name in MODELS},
    }
    theirs = {
        "ImageHash": {"ImageHash pHash": Kind("imagehash", ours=False)},
        "imagededup": {"imagededup PHash": Kind("imagededup", ours=False)},
        "pdqhash": {
            "pdqhash": Kind("pdqhash", ours=False),
            "pdqhash, dihedral": Kind("pdqhash", 8, ours=False),
        },
    }
    return ours | {name: kind for package in PEERS if package in there for name, kind in theirs[package].items()}


def describers() -> dict[str, Callable[[Pixels], Codes]]:
    """Source to the function that gives a picture's codes, `(k, bytes)` or `(k, D)`; the first is the upright one."""
    found: dict[str, Callable[[Pixels], Codes]] = {
        "pixels": lambda pixels: np.frombuffer(bytes.fromhex(pixel_hash(pixels)), np.uint8)[None],
        "pdq": _pdq,
        **{name: _embedding(name) for name in MODELS},
    }
    wanted = {kind.source for kind in kinds().values()}
    if "imagehash" in wanted:
        from imagehash import phash

        found["imagehash"] = lambda pixels: np.packbits(phash(Image.fromarray(pixels)).hash.ravel())[None]
    if "imagededup" in wanted:
        from imagededup.methods import PHash

        theirs = PHash(verbose=False)
        found["imagededup"] = lambda pixels: np.frombuffer(
            bytes.fromhex(theirs.encode_image(image_array=pixels)), np.uint8
        )[None]
    if "pdqhash" in wanted:
        import pdqhash

        found["pdqhash"] = lambda pixels: np.packbits(np.stack(pdqhash.compute_dihedral(pixels)[0]), axis=1)
    return found


def _pdq(pixels: Pixels) -> Codes:
    view = cut(pixels, [STATISTICS_VIEW])[STATISTICS_VIEW]
    size = (pixels.shape[1], pixels.shape[0])
    upright = spectrum(view, size)[0]
    hashes = [pack(upright), *turned(upright, mirrored_spectra(view, size))]
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(8, 32)


def _embedding(name: str) -> Callable[[Pixels], Codes]:
    model = registry.load(name)
    view = model.spec.view
    return lambda pixels: np.asarray(model(cut(pixels, [view])[view][None]), np.float32)


def distances(asked: Codes, stored: Codes) -> npt.NDArray[np.float32]:
    """How far each is from each.

    Args:
        asked: `(N, B)` bytes or `(N, D)` vectors.
        stored: `(M, k, B)` or `(M, k, D)`; the nearest of k counts.

    Returns:
        `(N, M)`, bits or 1 - cosine.
    """
    nearest = None
    for turn in range(stored.shape[1]):
        codes = np.ascontiguousarray(stored[:, turn])
        found = _bits(asked, codes) if asked.dtype == np.uint8 else 1 - asked @ codes.T
        nearest = found if nearest is None else np.minimum(nearest, found)
    assert nearest is not None
    return nearest.astype(np.float32)


def _bits(asked: Codes, stored: Codes) -> Codes:
    found = np.zeros((len(asked), len(stored)), np.uint16)
    for mine, other in zip(asked.view(np.uint64).T, stored.view(np.uint64).T, strict=True):
        found += np.bitwise_count(mine[:, None] ^ other)
    return found
