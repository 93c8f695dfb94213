"""Several pictures on one sheet, each with a line below it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

_CELL = 240
_LINES = 34
_COLUMNS = 6


def contact_sheet(pictures: Sequence[tuple[npt.NDArray[np.uint8], str]], path: Path) -> None:
    """Write a JPEG.

    Args:
        pictures: Pixels and what to write below them; a newline begins the second line.
        path: Where to; its folder is made.
    """
    rows = -(-len(pictures) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _CELL, rows * (_CELL + _LINES)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (pixels, line) in enumerate(pictures):
        image = Image.fromarray(pixels)
        image.thumbnail((_CELL - 8, _CELL - 8))
        x, y = number % _COLUMNS * _CELL, number // _COLUMNS * (_CELL + _LINES)
        sheet.paste(image, (x + 4, y + 4))
        draw.text((x + 4, y + _CELL), line, "black")
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, "JPEG", quality=90)
