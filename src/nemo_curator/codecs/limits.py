"""How large an image may be, checked before anything is allocated for it."""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.codecs.memory_need import decoding_bytes
from nemo_curator.errors import LimitError
from nemo_curator.kernels.header import ImageHeader


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest image that is read; one over any limit is quarantined with the figure and the limit.

    Attributes:
        pixels: Width times height. 100 million pixels are 300 MB of RGB.
        bytes: Length of the encoded file.
        side: Longer side in pixels. 65,535 is the longest that a JPEG can have.
        frames: Frames of an animation or pages of a document; only the first is decoded.
        memory: Bytes that decoding one image may take, its picture included. What the header announces is checked
            before anything is allocated; a decoder that takes more than it should is stopped (see `memory_guard`).
        seconds: Wall-clock time for one image; enforced from outside the worker, because native code
            cannot be interrupted from inside.
    """

    pixels: int = 100_000_000
    bytes: int = 64_000_000
    side: int = 65_535
    frames: int = 10_000
    memory: int = 1_000_000_000
    seconds: float = 10.0


DEFAULT_LIMITS = Limits()


def check(header: ImageHeader, encoded_length: int, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse an image that is over a limit, from its header alone.

    Args:
        header: What the first bytes say.
        encoded_length: Length of the file in bytes.
        limits: The limits of the recipe; `seconds` is not checked here.

    Raises:
        LimitError: It is over a limit; the message has the figure and the limit.
    """
    check_length(encoded_length, limits)
    _refuse("side", max(header.width, header.height), limits.side, "pixels on its longer side")
    pixels, memory = max(header.pixels, header.coded_pixels), decoding_bytes(header)
    if pixels > limits.pixels:
        _refuse("pixels", pixels, limits.pixels, f"pixels{_size(header)}")
    _refuse("frames", header.frames, limits.frames, "frames", at_least=header.frames > limits.frames)
    if memory > limits.memory:
        _refuse("memory", memory, limits.memory, f"bytes of memory to decode{_size(header)}")


def check_length(encoded_length: int, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse a file for its length; usable before it is read.

    Args:
        encoded_length: Length of the file in bytes.
        limits: The limits of the recipe.

    Raises:
        LimitError: It is longer than `limits.bytes`.
    """
    _refuse("bytes", encoded_length, limits.bytes, "bytes")


def _size(header: ImageHeader) -> str:
    cropped = "before it is cropped to " if header.coded_pixels > header.pixels else ""
    return f" ({cropped}{header.width:,} x {header.height:,})"


def _refuse(name: str, figure: int, limit: int, unit: str, *, at_least: bool = False) -> None:
    if figure > limit:
        more = "at least " if at_least else ""  # the probe stops counting frames one past the limit
        raise LimitError(
            f"{more}{figure:,} {unit}, over the limit of {limit:,}",
            act=f"raise limits.{name} in the recipe to admit it",
        )
