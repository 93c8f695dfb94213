"""Whatever a decoder raises becomes one sentence about one sample."""

from __future__ import annotations

import re
from types import TracebackType

from PIL import Image

from nemo_curator.errors import DecodeError, LimitError, SampleError

_LONGEST = 160  # characters of a decoder's own words that go into a record


def one_line(error: BaseException | str) -> str:
    """A decoder's message in one short line, without addresses, so that equal files give equal records.

    Decoders quote the file, so what a terminal would obey is written as its escape.

    Args:
        error: What the decoder raised, or said.

    Returns:
        Its text, or the name of its class where it says nothing.
    """
    text = re.sub(r"<[^<>]* object at 0x[0-9a-fA-F]+>", "the file", " ".join(str(error).split()))
    text = "".join(map(_visible, text))
    text = text.removesuffix(".") or (type(error).__name__ if isinstance(error, BaseException) else "")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


class decoding:  # noqa: N801  used as a function; a generator would take five times as long, twice an image
    """Turn every exception of a decoder into a `SampleError`.

    Hostile bytes make parsers raise anything (`struct.error`, `SyntaxError`, `IndexError`, `MemoryError`,
    `AssertionError`, …), so nothing but the errors of this package passes unchanged.

    Args:
        name: The format, for the sentence.

    Raises:
        DecodeError: For every exception but the next.
        LimitError: Where Pillow's own limit, which only very large GIF, TIFF and WebP files meet, is below ours.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say in other words what went wrong, if anything did."""
        if not isinstance(error, Exception) or isinstance(error, SampleError):
            return
        if isinstance(error, Image.DecompressionBombError):
            raise LimitError(
                one_line(error), act="raise PIL.Image.MAX_IMAGE_PIXELS as well as the recipe's limit to admit it"
            ) from error
        raise DecodeError(f"the {self._name} decoder refused it: {one_line(error)}") from error
