"""Photos that scikit-image and scikit-learn ship in their wheels, with captions: the originals of the demo data."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from nemo_curator._optional import require
from nemo_curator.errors import MissingExtraError

_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}


@dataclass(frozen=True, slots=True)
class Photo:
    """One shipped picture.

    Attributes:
        file: Its file name in the wheel.
        package: The package that ships it.
        caption: What it shows.
        about: More facts, for a JSON sidecar; empty for most.
    """

    file: str
    package: str
    caption: str
    about: tuple[tuple[str, str], ...] = ()

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.file.rpartition(".")[0]

    @property
    def extension(self) -> str:
        """The extension, without the dot."""
        return self.file.rpartition(".")[2]


_NASA = (("credit", "NASA"), ("licence", "public domain"))
_STEREO = (("credit", "Middlebury stereo datasets"), ("licence", "public domain"))

LOOSE = (
    Photo("astronaut.png", "skimage", "An astronaut in an orange suit in front of a flag and a model shuttle", _NASA),
    Photo("camera.png", "skimage", "A photographer in a long coat looks through a camera on a tripod"),
    Photo("chelsea.png", "skimage", "Close portrait of a tabby cat with green eyes"),
    Photo("coffee.png", "skimage", "An espresso in a red cup on a wooden table, seen from above"),
    Photo("coins.png", "skimage", "Four rows of ancient Greek coins on a dark ground"),
    Photo("hubble_deep_field.jpg", "skimage", "Thousands of distant galaxies, seen by the Hubble telescope", _NASA),
    Photo("ihc.png", "skimage", "Stained colon tissue under a microscope, brown and blue"),
    Photo("moon.png", "skimage", "Craters on the surface of the Moon", _NASA),
    Photo("rocket.jpg", "skimage", "A rocket on its launch pad at dusk, lit by floodlights"),
    Photo("china.jpg", "sklearn", "The roofs of a Chinese palace under a clear sky"),
    Photo("flower.jpg", "sklearn", "A dahlia in bloom with orange and yellow petals"),
)
"""Those that lie in the demo's folder as files of their own."""

SHARDED = (
    Photo("brick.png", "skimage", "A brick wall in grey"),
    Photo("cell.png", "skimage", "A single cell under a microscope"),
    Photo("clock_motion.png", "skimage", "A clock, lost in motion blur"),
    Photo("color.png", "skimage", "A colour wheel on black"),
    Photo("grass.png", "skimage", "A lawn from above, in grey"),
    Photo("gravel.png", "skimage", "Gravel from above, in grey"),
    Photo("horse.png", "skimage", "The black silhouette of a horse"),
    Photo("logo.png", "skimage", "A round logo with a green and orange snake"),
    Photo("motorcycle_left.png", "skimage", "A red motorcycle in a workshop, left eye of a stereo pair", _STEREO),
    Photo("motorcycle_right.png", "skimage", "A red motorcycle in a workshop, right eye of a stereo pair", _STEREO),
    Photo("page.png", "skimage", "A page of text, photographed at an angle"),
    Photo("retina.jpg", "skimage", "The back of a human eye with its blood vessels"),
)
"""Those that lie in the demo's shard."""


def read_photos(photos: tuple[Photo, ...]) -> dict[str, bytes]:
    """Stem to original bytes of each photo.

    Raises:
        MissingExtraError: A package is not installed, or its wheel does not ship a picture.
    """
    folders = {package: _folder(package) for package in sorted({photo.package for photo in photos})}
    found: dict[str, bytes] = {}
    for photo in photos:
        try:
            found[photo.stem] = (folders[photo.package] / photo.file).read_bytes()
        except OSError:
            raise MissingExtraError(
                f"this version of {photo.package} does not ship {photo.file}",
                act="run: pip install --upgrade 'imagecurator[demo]'",
            ) from None
    return found


def _folder(package: str) -> Path:
    """Where the package keeps its pictures; it is looked up and not imported, which would take seconds."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        module = require(package, extra="demo", purpose="The demo data set")  # raises, as a rule
        return Path(str(module.__file__)).parent / _FOLDERS[package]
    return Path(spec.submodule_search_locations[0]) / _FOLDERS[package]
