"""The pictures that examples are chosen from: photos that packages ship, and copies with known damage."""

from __future__ import annotations

import io
import json

import numpy as np
from benchmarks.support.damages import DAMAGES
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nemo_curator.cli.demo_photos import LOOSE, SHARDED, read_photos
from nemo_curator.testing import encoded

_DAMAGED = ("astronaut", "chelsea", "coffee", "rocket", "china", "flower", "motorcycle_left")
_CAPTIONS = {
    "astronaut": "An astronaut in an orange suit in front of a flag",
    "chelsea": "Eine getigerte Katze blickt in die Kamera",
    "coffee": "Photo by anyone - click to enlarge https://example.org/coffee.jpg",
    "rocket": "IMG_4711",
    "china": "Les toits d'un palais sous un ciel clair",
    "flower": "dahlia dahlia dahlia dahlia dahlia dahlia",
}
PICKED = {
    "captions": ("astronaut.png", "coffee.png", "flower.jpg", "rocket.jpg"),
    "language": ("astronaut.png", "chelsea.png", "china.jpg", "rocket.jpg"),
    "rights": ("camera.png", "coffee-copyright.jpg", "coffee-opt-out.jpg", "chelsea-copyright.png"),
}
"""Scores whose four pictures are chosen by hand, because what they look at is not seen."""

_XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
 plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"/></rdf:RDF></x:xmpmeta>"""
_COPYRIGHT, _ARTIST = 0x8298, 0x013B


def example_files() -> dict[str, bytes]:
    """Name to bytes of every picture that may stand on a page, and of captions beside them.

    Raises:
        MissingExtraError: The packages that ship the photos are not installed.
    """
    originals = read_photos((*LOOSE, *SHARDED))
    names = {photo.stem: photo.file for photo in (*LOOSE, *SHARDED)}
    files = {names[stem]: data for stem, data in originals.items()}
    for turn, stem in enumerate(_DAMAGED):
        with Image.open(io.BytesIO(originals[stem])) as picture:
            pixels = np.array(picture.convert("RGB"))
        for at, (damage, make) in enumerate(DAMAGES.items()):
            severity = (at + turn) % 4 + 1
            data = encoded(make(pixels, severity, turn), "PNG")
            files[f"{stem}-{damage}-{severity}.png"] = data
    files |= {f"{stem}.txt": caption.encode() for stem, caption in _CAPTIONS.items()}
    return files | _with_rights(originals)


def _with_rights(originals: dict[str, bytes]) -> dict[str, bytes]:
    """Pictures whose files say to whom they belong, and what must not be done with them."""
    found = {}
    with Image.open(io.BytesIO(originals["coffee"])) as picture:
        exif = Image.Exif()
        exif[_COPYRIGHT], exif[_ARTIST] = "(c) 2024 A. Photographer", "A. Photographer"
        found["coffee-copyright.jpg"] = _saved(picture, "JPEG", exif=exif)
        found["coffee-opt-out.jpg"] = _saved(picture, "JPEG", xmp=_XMP.encode())
    with Image.open(io.BytesIO(originals["chelsea"])) as picture:
        info = PngInfo()
        info.add_text("Copyright", "CC0, dedicated to the public domain")
        found["chelsea-copyright.png"] = _saved(picture, "PNG", pnginfo=info)
    found["chelsea-copyright.json"] = json.dumps({"licence": "CC0"}).encode()
    return found


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, form, **options)
    return out.getvalue()
