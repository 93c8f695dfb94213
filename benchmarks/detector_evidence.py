"""What do the detectors of text and faces find on photos, and where do they stop to find?

*Text*: how many photos have a box at all, and how many have a twentieth and a tenth of their area in boxes; the same
for the package's own limits, which leave no box out for its height. *Small print*: of the Kodak photographs with one
line of text written over them, in how many the line is found, by the height of its capitals.
*Faces*: how many pictures have one and how many there are, at the limits of 0.7 and 0.9; and how many are left of them
when the pictures are turned.

Run: `IMAGECURATOR_MODEL_DIR=models python benchmarks/detector_evidence.py`, with the photos beside the checkout, the
package rapidocr, and a YuNet in the folder of models; two minutes on one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.kernels import text_regions
from nemo_curator.kernels.rectangles import covered_share
from nemo_curator.models import registry
from support.clean_pictures import SHARED, kodak, photo_files
from support.machine import publish, skip

Pixels = npt.NDArray[np.uint8]
LONG_SIDE = 480
LETTERS = (8, 12, 16, 20)  # sizes of the font, in pixels
SURER = 0.9


def photos() -> Iterator[Pixels]:
    """All 1,000, upright."""
    for data in photo_files(SHARED / "photos", 1000).values():
        yield decode(data, probe(data))


def regions(model: registry.Detector, pixels: Pixels) -> registry.Regions:
    """What the model finds in its own view."""
    view = model.spec.view
    return model([cut(np.ascontiguousarray(pixels), [view])[view]])[0]


def text_shares(model: registry.Detector, pictures: list[Pixels]) -> npt.NDArray[np.float64]:
    """Share of each picture in boxes."""
    found = [regions(model, one) for one in pictures]
    return np.array([covered_share(one.corners, one.height, one.width) for one in found])


def at_limits(shares: npt.NDArray[np.float64]) -> dict[str, int]:
    """Pictures with a box, and with so much of their area in boxes."""
    return {
        "pictures": len(shares),
        "any": int((shares > 0).sum()),
        "0.05": int((shares >= 0.05).sum()),
        "0.1": int((shares >= 0.1).sum()),
        "0.5": int((shares > 0.5).sum()),
    }


def without_limit(model: registry.Detector, pictures: list[Pixels]) -> dict[str, int]:
    """The same where no box is left out for its height."""
    tallest, text_regions.TALLEST = text_regions.TALLEST, float("inf")
    try:
        return at_limits(text_shares(model, pictures))
    finally:
        text_regions.TALLEST = tallest


def small_print(model: registry.Detector, pictures: list[Pixels]) -> dict[str, dict[str, int]]:
    """Height of the capitals to pictures in which the middle of the line lies in a box."""
    found = {}
    for size in LETTERS:
        font, hits = ImageFont.load_default(size), 0
        for number, pixels in enumerate(pictures):
            image = Image.fromarray(pixels)
            scale = LONG_SIDE / max(image.size)
            image = image.resize((round(image.width * scale), round(image.height * scale)))
            pen, place = ImageDraw.Draw(image), (20, image.height // 2)
            left, top, right, bottom = pen.textbbox(place, "Copyright 2024 example", font=font)
            pen.text(place, "Copyright 2024 example", "white" if number % 2 else "black", font)
            middle = np.array([(left + right) / 2, (top + bottom) / 2])
            corners = regions(model, np.asarray(image)).corners
            hits += any(bool((box.min(0) < middle).all() and (middle < box.max(0)).all()) for box in corners)
        _, top, _, bottom = font.getbbox("X")
        found[f"{bottom - top:.0f} pixels"] = {"found": hits, "of": len(pictures)}
    return found


def faces(model: registry.Detector, pictures: list[Pixels]) -> dict[str, int]:
    """Pictures with a face, faces, and those that the model is surer of."""
    scores = [regions(model, one).scores for one in pictures]
    return {
        "pictures": len(scores),
        "with a face": sum(len(one) > 0 for one in scores),
        "faces": sum(map(len, scores)),
        "faces from 0.9": sum(int((one >= SURER).sum()) for one in scores),
    }


def turned(model: registry.Detector, pictures: list[Pixels]) -> dict[str, int]:
    """Faces of the pictures that have one, turned by so many degrees."""
    some = [one for one in pictures if len(regions(model, one).scores)]
    return {f"{90 * k}": sum(len(regions(model, np.rot90(one, k)).scores) for one in some) for k in range(4)}


def main() -> None:
    """Both detectors, as far as they are here."""
    if not (SHARED / "kodak").is_dir():
        skip("the photos are not beside this checkout; made pictures have no text and no faces")
    suite, clothes = list(kodak(SHARED / "kodak").values()), list(photos())
    found: dict[str, Any] = {}
    for name in ("pp-ocrv6-small", "yunet-s", "yunet-n"):
        try:
            model = registry.create_detector(name)
        except WeightsNotFoundError as error:
            found[name] = f"not installed: {error}"
            continue
        model.setup()
        both = {"kodak": suite, "photos": clothes}
        if model.spec.task == "text":
            found[name] = {
                **{part: at_limits(text_shares(model, some)) for part, some in both.items()},
                "photos, no limit of height": without_limit(model, clothes[::25]),
                "small print on kodak": small_print(model, suite),
            }
        else:
            found[name] = {
                **{part: faces(model, some) for part, some in both.items()},
                "kodak, faces when turned": turned(model, suite),
            }
    publish("detector_evidence", found)


if __name__ == "__main__":
    main()
