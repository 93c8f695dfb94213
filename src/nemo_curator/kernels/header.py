"""What the first bytes of an image file say about it."""

from __future__ import annotations

from dataclasses import dataclass

_GREY = frozenset({"1", "L", "LA", "La", "I", "F"})


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Facts read from a file's header, without decoding a pixel.

    Attributes:
        format: Lower-case format name: `jpeg`, `png`, `webp`, `gif`, `tiff`, `bmp`, `avif`, `heif`, ….
        width: Stored width in pixels, before EXIF orientation.
        height: Stored height in pixels, before EXIF orientation.
        mode: Colour model in Pillow's words (`RGB`, `L`, `CMYK`, `P`, `RGBA`, `I;16`, …), and `YCCK` for a JPEG of it.
        frames: Number of frames; 1 for a still picture.
        orientation: EXIF orientation, 1 to 8; 1 where there is none or it is not valid.
        bit_depth: Bits a channel as stored: 1, 2, 4, 8, 10, 12, 16 or 32; of a palette picture those of its indexes.
        has_icc: Whether an ICC profile is embedded.
        caption: What the file itself says that it shows (XMP, IPTC, EXIF or the format's own comment), or "".
        coded_pixels: Pixels that the decoder makes before it crops the picture from them; 0 where it crops nothing.
    """

    format: str
    width: int
    height: int
    mode: str = "RGB"
    frames: int = 1
    orientation: int = 1
    bit_depth: int = 8
    has_icc: bool = False
    caption: str = ""
    coded_pixels: int = 0

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

    @property
    def is_grey(self) -> bool:
        """Whether the colour model is one of grey alone, with or without transparency."""
        return self.mode in _GREY or self.mode.startswith("I;16")
