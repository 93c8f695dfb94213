"""What the first bytes of an image file say about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Facts read from a file's header, without decoding a pixel.

    Attributes:
        format: Lower-case format name: `jpeg`, `png`, `webp`, `gif`, `tiff`, `bmp`, `avif`, `heif`, ….
        width: Stored width in pixels, before EXIF orientation.
        height: Stored height in pixels, before EXIF orientation.
        mode: Colour model in Pillow's words (`RGB`, `L`, `CMYK`, `P`, `RGBA`, `I;16`, …).
        frames: Number of frames; 1 for a still picture.
        orientation: EXIF orientation, 1 to 8; 1 where there is none or it is not valid.
    """

    format: str
    width: int
    height: int
    mode: str = "RGB"
    frames: int = 1
    orientation: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """(width, height) in pixels as a viewer shows it: the sides change places for orientations 5 to 8."""
        if self.orientation >= 5:
            return self.height, self.width
        return self.width, self.height

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height
