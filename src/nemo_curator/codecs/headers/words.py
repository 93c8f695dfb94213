"""Bytes that somebody meant as text, made into a caption: valid Unicode, one line, of a bounded length."""

from __future__ import annotations

import re

LONGEST = 4096
"""Characters of a caption; what follows is cut."""

_MOST_BYTES = 65_536
# control characters that are no white space, halves of surrogate pairs, and the code points that are no characters
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def cleaned(text: str) -> str:
    """A text as a caption: it ends at the first NUL, all white space is one space, control characters are gone.

    Args:
        text: Anything, halves of surrogate pairs included.

    Returns:
        Valid Unicode without blanks at its ends, at most `LONGEST` characters; "" where nothing is left.
    """
    text = _NO_TEXT.sub("", text.partition("\0")[0][: 8 * LONGEST])
    return " ".join(text.split())[:LONGEST].rstrip()


def decoded(raw: bytes) -> str:
    """Bytes without a declared character set: UTF-8 where they are that, else Windows-1252.

    A last character of UTF-8 that is cut is left out.

    Args:
        raw: The bytes; no more than the first 65,536 are looked at.

    Returns:
        Their text, as it is.
    """
    raw = raw[:_MOST_BYTES].partition(b"\0")[0]
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        whole = raw[: error.start]
        if error.reason == "unexpected end of data" and not whole.isascii():  # its other letters are UTF-8
            return whole.decode()
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
