"""Whatever a decoder raises becomes one sentence about one sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn every exception of a decoder into a `SampleError`.

    Hostile bytes make parsers raise anything (`struct.error`, `SyntaxError`, `IndexError`, `MemoryError`,
    `AssertionError`, …), so nothing but the errors of this package passes unchanged.

    Args:
        name: The format, for the sentence.

    Raises:
        DecodeError: For every exception but the next.
        LimitError: Where Pillow's own limit, which only very large GIF, TIFF and WebP files meet, is below ours.
    """
    try:
        yield
    except SampleError:
        raise
    except Image.DecompressionBombError as error:
        raise LimitError(
            one_line(error), act="raise PIL.Image.MAX_IMAGE_PIXELS as well as the recipe's limit to admit it"
        ) from error
    except Exception as error:
        raise DecodeError(f"the {name} decoder refused it: {one_line(error)}") from error
