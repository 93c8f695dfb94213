"""Draw the picture of the tutorial, from photos of the demo: python -m tools.tutorial_picture.

Only photos that anybody may copy, as the documentation of `skimage.data` says: those of the astronaut (NASA) and the
rocket (SpaceX) are in the public domain, those of the cat and the coffee are CC0.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from nemo_curator.cli.demo_data import demo_files

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo-photos.jpg"

ROWS = (
    (
        ("photos/astronaut.png", "kept"),
        ("photos/chelsea.png", "kept"),
        ("photos/coffee.png", "kept"),
        ("photos/rocket.jpg", "kept"),
    ),
    (
        ("with-faults/astronaut-blurred.jpg", "blurred"),
        ("with-faults/chelsea-dark.jpg", "dark"),
        ("with-faults/coffee-blurred.jpg", "blurred"),
        ("with-faults/rocket-tiny.jpg", "small"),
    ),
)
"""Row of (file of the demo, what becomes of it)."""

SIDE, BAND, GAP = 150, 26, 8  # of a tile, of the words below it, between tiles; in pixels


def drawn() -> Image.Image:
    """The tiles with their words; tiny pictures keep their size."""
    files = demo_files()
    width = len(ROWS[0]) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, len(ROWS) * (SIDE + BAND + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for down, row in enumerate(ROWS):
        for across, (name, verdict) in enumerate(row):
            picture = ImageOps.exif_transpose(Image.open(io.BytesIO(files[name]))).convert("RGB")
            if max(picture.size) > SIDE:
                picture = ImageOps.fit(picture, (SIDE, SIDE))
            left, top = GAP + across * (SIDE + GAP), GAP + down * (SIDE + BAND + GAP)
            draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), fill="#eeeeee")
            sheet.paste(picture, (left + (SIDE - picture.width) // 2, top + (SIDE - picture.height) // 2))
            draw.text((left + SIDE / 2, top + SIDE + BAND / 2), verdict, fill="black", font=font, anchor="mm")
    return sheet


if __name__ == "__main__":
    drawn().save(PICTURE, quality=82, optimize=True)
