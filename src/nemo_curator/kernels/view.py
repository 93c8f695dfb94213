"""The small picture that a stage wants of every image, as pure geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fit = Literal["short", "long", "squash", "none"]
Filter = Literal["bicubic", "bilinear", "box", "lanczos"]
Centre = Literal["even", "down"]

_GRID = 16  # pixels of the largest block that common encoders cut a picture into


@dataclass(frozen=True, slots=True)
class View:
    """One view: resize once, straight from the upright full picture, then cut the centre.

    Attributes:
        size: Length in pixels of the side named by `fit`.
        fit: `short` or `long` makes that side `size` and keeps the aspect; `squash` makes both sides `size`; `none`
            resizes nothing: the pixels as decoded, for what resizing would wipe out.
        crop: Side in pixels of the centre square that is kept; None keeps everything. With `none` its left and top
            edges lie on a multiple of 16, so that the blocks of an encoder begin there.
        filter: Resampling filter, antialiased (its support grows with the reduction).
        enlarge: Whether a smaller picture is enlarged to `size`.
        centre: Which of two middles a crop takes where an odd number of pixels is left over: `even`, the one that
            begins at an even place, as torchvision has it; or `down`, the one before, as transformers has it.
    """

    size: int
    fit: Fit = "short"
    crop: int | None = None
    filter: Filter = "bicubic"
    enlarge: bool = True
    centre: Centre = "even"

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels after resizing a picture of `width` by `height`, before the crop."""
        side = min(width, height) if self.fit == "short" else max(width, height)
        if self.fit == "none" or (not self.enlarge and side <= self.size):
            return width, height
        if self.fit == "squash":
            return self.size, self.size
        # int(), not round(): torchvision and transformers truncate the long side too
        return (
            (self.size, max(1, int(self.size * height / width)))
            if (width == side)
            else (max(1, int(self.size * width / height)), self.size)
        )

    def cropped(self, width: int, height: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the centre crop inside a resized picture of `width` by `height`."""
        if self.crop is None:
            return 0, 0, width, height
        left, top = (max(0, self._half(side - self.crop)) for side in (width, height))
        if self.fit == "none":
            left, top = left - left % _GRID, top - top % _GRID
        return left, top, min(width, left + self.crop), min(height, top + self.crop)

    def _half(self, pixels: int) -> int:
        return pixels // 2 if self.centre == "down" else round(pixels / 2)
