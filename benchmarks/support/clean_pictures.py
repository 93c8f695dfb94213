"""Clean pictures to damage, and natural ones that look damaged and are not."""

from __future__ import annotations

import importlib.util
import io
import tarfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

SHARED = Path(__file__).parents[2].parent / "shared" / "data"

_PHOTOS = (
    "skimage/data/astronaut.png",
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
    "skimage/data/rocket.jpg",
    "skimage/data/motorcycle_left.png",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)
# what each is suspected of by nature
_NATURAL = {
    "brick": "texture",
    "grass": "texture, like noise",
    "gravel": "texture, like noise",
    "camera": "large even sky, without colour",
    "clock_motion": "really blurred, by motion",
    "moon": "low contrast, soft",
    "hubble_deep_field": "dark",
    "retina": "black surround",
    "horse": "two levels, no photograph",
    "page": "text, uneven light",
    "text": "text, soft",
    "coins": "dark ground",
    "ihc": "bright ground, soft",
    "logo": "graphic on an even ground",
    "phantom": "graphic on black",
    "microaneurysms": "soft, small",
}


def kodak(folder: Path) -> dict[str, Pixels]:
    """Name to pixels of every PNG in a folder."""
    return {f"kodak {path.stem}": _pixels(path) for path in sorted(folder.glob("*.png"), key=lambda one: one.name)}


def photo_files(folder: Path, count: int) -> dict[str, bytes]:
    """Name to bytes of `count` JPEGs spread evenly over the tars of a folder."""
    files = []
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            files += [(one.name, tar.extractfile(one).read()) for one in tar if one.name.endswith(".jpg")]
    return dict(files[:: max(1, len(files) // count)][:count])


def photos(folder: Path, count: int) -> dict[str, Pixels]:
    """Name to pixels of `count` JPEGs spread evenly over the tars of a folder."""
    files = photo_files(folder, count)
    return {name.removesuffix(".jpg"): _pixels(io.BytesIO(data)) for name, data in files.items()}


def packaged() -> dict[str, Pixels]:
    """The photographs that scikit-image and scikit-learn ship, where they are installed."""
    return {Path(name).stem: _pixels(path) for name in _PHOTOS if (path := _installed(name)) is not None}


def natural() -> dict[str, tuple[Pixels, str]]:
    """Name to pixels and what they are suspected of."""
    found = {}
    for name, suspicion in _NATURAL.items():
        paths = [_installed(f"skimage/data/{name}.{ending}") for ending in ("png", "jpg")]
        path = next((one for one in paths if one is not None), None)
        if path is not None:
            found[name] = (_pixels(path), suspicion)
    return found


def halved(pixels: Pixels) -> Pixels:
    """Half the size by averaging, which leaves nothing of the blocks of a JPEG."""
    return np.asarray(Image.fromarray(pixels).reduce(2))


def doubled(pixels: Pixels) -> Pixels:
    """Twice the size, bicubic."""
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC))


def _pixels(source: Path | io.BytesIO) -> Pixels:
    return np.asarray(Image.open(source).convert("RGB"))


def _installed(name: str) -> Path | None:
    """A file inside a package, found without importing the package."""
    package, _, inside = name.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / inside
    return path if path.is_file() else None
