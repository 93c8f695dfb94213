"""The demo's data set: real photos, and copies of them with everything that goes wrong in a pile of images.

The files are made in memory first (some ten megabytes), by their path in the folder, so that what the demo owns is
known before anything is written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable

from nemo_curator.cli import demo_edits as edit
from nemo_curator.cli.demo_photos import LOOSE, SHARDED, Photo, read_photos
from nemo_curator.shards.tar_writer import TarWriter

Files = dict[str, bytes]

_ABOUT = """\
Data of `imagecurator demo`.

photos/           photos that scikit-image ships (and two of scikit-learn), with captions
stills-00000.tar  more of them, as a WebDataset shard
with-faults/      copies with faults made on purpose: blurred, dark, tiny, cut off, misnamed, turned, twice there
torn.tar          a shard whose download was interrupted

Where the photos come from and on what terms: the documentation of skimage.data, and sklearn/datasets/images/README.txt.
"""


def demo_files() -> Files:
    """Relative path to bytes of every file of the demo's input; the same each time.

    Raises:
        MissingExtraError: scikit-image or scikit-learn is not installed.
    """
    originals = read_photos((*LOOSE, *SHARDED))
    files = {"README.txt": _ABOUT.encode()}
    for photo in LOOSE:
        files |= {f"photos/{name}": data for name, data in _sample(photo, originals)}
    files |= _faulty(originals)
    stills = [member for photo in SHARDED for member in _sample(photo, originals)]
    again = [("coffee-again.png", originals["coffee"]), ("coffee-again.txt", b"A red cup of coffee")]
    files["stills-00000.tar"] = _tar([*stills, *again])
    files["torn.tar"] = _torn(originals)
    return files


def _sample(photo: Photo, originals: Files) -> list[tuple[str, bytes]]:
    """The photo with its sidecars, by file name."""
    members = [(photo.file, originals[photo.stem]), (f"{photo.stem}.txt", f"{photo.caption}\n".encode())]
    if photo.about:
        about = json.dumps({"title": photo.stem, **dict(photo.about)}, indent=1)
        members.append((f"{photo.stem}.json", about.encode()))
    return members


def _faulty(originals: Files) -> Files:
    """The folder of faults."""
    rocket, china, flower = originals["rocket"], originals["china"], originals["flower"]
    files = {
        "astronaut-blurred.jpg": edit.blurred(originals["astronaut"], 6),
        "china-blurred.jpg": edit.blurred(china, 8),
        "coffee-blurred.jpg": edit.blurred(originals["coffee"], 10),
        "chelsea-dark.jpg": edit.exposed(originals["chelsea"], 0.12),
        "flower-dark.jpg": edit.exposed(flower, 0.08),
        "moon-washed-out.jpg": edit.exposed(originals["moon"], 2.6),
        "astronaut-tiny.jpg": edit.shrunk(originals["astronaut"], 48),
        "rocket-tiny.jpg": edit.shrunk(rocket, 60),
        "china-copy.jpg": china,
        "flower-copy.jpg": flower,
        "rocket-cut-off.jpg": edit.truncated(rocket, 0.6),
        "tissue-is-a-png.jpg": edit.cropped(originals["ihc"], 300),
        "camera-without-a-name.dat": edit.as_jpeg(originals["camera"]),
        "coffee-turned-3.jpg": edit.turned(originals["coffee"], 3),
        "china-turned-6.jpg": edit.turned(china, 6),
        "astronaut-turned-8.jpg": edit.turned(originals["astronaut"], 8),
        "nothing.png": edit.plain(480, 320),
        "shopping-list.jpg": b"bread\nmilk\na better camera\n",
        "notes.md": b"# Notes\n\nThis file is no image and belongs to none.\n",
    }
    captions = {
        "astronaut-blurred": "An astronaut, badly out of focus",
        "chelsea-dark": "A cat in the dark",
        "china-turned-6": "A palace that stands upright, although its file lies on its side",
    }
    files |= {f"{stem}.txt": f"{text}\n".encode() for stem, text in captions.items()}
    return {f"with-faults/{name}": data for name, data in files.items()}


def _torn(originals: Files) -> bytes:
    """A tar of two samples, of which the second is cut off."""
    first = [("flower-small.jpg", edit.shrunk(originals["flower"], 320)), ("flower-small.txt", b"A dahlia, smaller\n")]
    return edit.truncated(_tar([*first, ("rocket-lost.jpg", originals["rocket"])]), 0.7)


def _tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with TarWriter(out) as tar:
        for name, data in members:
            tar.add(name, data)
    return out.getvalue()
