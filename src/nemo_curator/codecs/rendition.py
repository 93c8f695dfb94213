"""What an image becomes where it does not leave with its own bytes, as pure decisions: `rendering` carries them out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nemo_curator.codecs.limits import DEFAULT_LIMITS, Limits
from nemo_curator.codecs.options import DEFAULT_OPTIONS, DecodeOptions
from nemo_curator.codecs.semantics import decode_facts
from nemo_curator.kernels.view import Filter, View

RENDER_VERSION = 2
"""Raised whenever the same bytes and settings give other bytes than before with the same libraries."""

Encoding = Literal["jpeg", "png", "webp", "avif"]
"""Formats that we write."""

EXTENSIONS: dict[Encoding, str] = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}
"""Format to the extension of a file that was another format before."""

_STEPS = 3  # decoding, resizing and encoding may each take as long as decoding may when images are scored
_SECONDS: dict[Encoding, float] = {"jpeg": 1.0, "png": 4.0, "webp": 4.0, "avif": 20.0}
"""What encoding a million pixels may take beside that: many times what it takes."""

KEEPS_ALPHA = frozenset({"png", "webp", "avif"})
"""Formats that have transparency; for any other it is laid over the background of `DecodeOptions`."""


@dataclass(frozen=True, slots=True)
class Resize:
    """How large a picture becomes.

    Attributes:
        side: Pixels of the side named by `fit`.
        fit: `long` or `short`: which side that is; the aspect stays.
        filter: Resampling filter, antialiased.
        enlarge: Whether a smaller picture becomes that large too.
    """

    side: int
    fit: Literal["long", "short"] = "long"
    filter: Filter = "bicubic"
    enlarge: bool = False

    @property
    def view(self) -> View:
        """The same as a view of the whole picture."""
        return View(self.side, fit=self.fit, filter=self.filter, enlarge=self.enlarge)


@dataclass(frozen=True, slots=True)
class Encode:
    """What a picture is encoded as.

    Attributes:
        format: The format; None for its own where that is one that we write, else PNG, which loses nothing.
        quality: 1 to 100, of JPEG, WebP and AVIF.
        profile: `keep` an ICC profile beside pixels that stay as they are, or apply one of a colour picture (`srgb`).
        always: Whether a picture is encoded anew that has the format and the size already.
    """

    format: Encoding | None = None
    quality: int = 90
    profile: Literal["keep", "srgb"] = "keep"
    always: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """What one picture becomes.

    Attributes:
        format: Its format.
        width: Its width in pixels.
        height: Its height in pixels.
    """

    format: Encoding
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Rendition:
    """What every image becomes.

    Attributes:
        resize: How large; None leaves sizes as they are.
        encode: As what.
        limits: What decoding one image may cost.
        options: How it is decoded, where there is a choice.
    """

    resize: Resize | None = None
    encode: Encode = field(default_factory=Encode)
    limits: Limits = DEFAULT_LIMITS
    options: DecodeOptions = DEFAULT_OPTIONS

    def target(self, image_format: str, width: int, height: int) -> Target | None:
        """What an image becomes; None for one that leaves with its own bytes.

        Args:
            image_format: Its format, by content.
            width: Its width in pixels, upright.
            height: Its height in pixels, upright.
        """
        size = self.resize.view.resized(width, height) if self.resize is not None else (width, height)
        same_format = self.encode.format in (None, image_format)
        if size == (width, height) and same_format and not self.encode.always:
            return None
        own: Encoding = image_format if image_format in EXTENSIONS else "png"
        return Target(self.encode.format or own, *size)

    def seconds(self, target: Target) -> float:
        """Processor time that making an image may take.

        Args:
            target: What it becomes.
        """
        return _STEPS * self.limits.seconds + _SECONDS[target.format] * target.width * target.height / 1e6

    @property
    def facts(self) -> dict[str, Any]:
        """Everything that the bytes depend on beside the image's own: settings, versions of libraries."""
        return {
            "version": RENDER_VERSION,
            "resize": None if self.resize is None else asdict(self.resize),
            "encode": asdict(self.encode),
            "limits": asdict(self.limits),
            "decode": decode_facts(self.options),
        }
