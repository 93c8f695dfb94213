"""Bytes that somebody meant as text, made into a caption: valid Unicode, one line, of a bounded length."""

from __future__ import annotations

import codecs
import re

LONGEST = 4096
"""Characters of a caption; what follows is cut."""

_MOST_BYTES = 65_536
_SPACE = re.compile(r"[\t-\r\x85]+")
# the other control characters, halves of surrogate pairs, and the code points that are no characters
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def cleaned(text: str) -> str:
    """A text as a caption: it ends at the first NUL, line breaks are spaces, control characters are gone.

    Args:
        text: Anything, halves of surrogate pairs included.

    Returns:
        Valid Unicode without blanks at its ends, at most `LONGEST` characters; "" where nothing is left.
    """
    text = text.partition("\0")[0].lstrip()[: 4 * LONGEST]
    return _NO_TEXT.sub("", _SPACE.sub(" ", text)).strip()[:LONGEST].rstrip()


def decoded(raw: bytes) -> str:
    """Bytes without a declared character set: UTF-8 where they are that, else Windows-1252.

    A last character that is cut is left out.

    Args:
        raw: The bytes; no more than the first 65,536 are looked at.

    Returns:
        Their text, as it is.
    """
    raw = raw[:_MOST_BYTES].partition(b"\0")[0]
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def decoded_utf16(raw: bytes, *, big: bool) -> str:
    """UTF-16 whose byte order is a guess: a byte order mark decides, then where the zero bytes lie, then the guess.

    Args:
        raw: The bytes; no more than the first 65,536 are looked at.
        big: Whether the higher byte is expected first.

    Returns:
        The text; what is damaged in it is replaced.
    """
    raw = raw[: min(len(raw), _MOST_BYTES) & ~1]
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        big, raw = raw[:2] == b"\xfe\xff", raw[2:]
    else:  # Latin text has zeros in its higher bytes; writers do not agree about the order
        even, odd = raw[::2].count(0), raw[1::2].count(0)
        if even != odd:
            big = even > odd
    return raw.decode("utf-16-be" if big else "utf-16-le", "replace")
