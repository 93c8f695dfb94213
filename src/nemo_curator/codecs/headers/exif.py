"""What an EXIF block says about a picture: which way is up, and what it shows.

Source: CIPA DC-008 (Exif 2.32), sections 4.6.4 and 4.6.5; Microsoft's XPTitle and XPComment; TIFF 6.0 section 2 for the
layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nemo_curator.codecs.headers.ifd import Directory, read_directory
from nemo_curator.codecs.headers.words import cleaned, decoded, decoded_utf16

_DESCRIPTION, _ORIENTATION, _EXIF_IFD = 0x010E, 0x0112, 0x8769
_XP_TITLE, _XP_COMMENT, _USER_COMMENT = 0x9C9B, 0x9C9C, 0x9286
_WANTED = frozenset({_DESCRIPTION, _ORIENTATION, _EXIF_IFD, _XP_TITLE, _XP_COMMENT})
_ORIENTATION_TYPES = frozenset({1, 3, 4})  # BYTE, SHORT, LONG: writers use all of them
_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """What is of interest in an EXIF block.

    Attributes:
        orientation: 1 to 8, or None where there is none, or it is not valid.
        description: ImageDescription.
        comment: UserComment, else Windows' XPComment.
        title: Windows' XPTitle.
    """

    orientation: int | None = None
    description: str = ""
    comment: str = ""
    title: str = ""


NOTHING = ExifFacts()


def read_exif(exif: bytes) -> ExifFacts:
    """Read an EXIF block.

    Args:
        exif: The TIFF structure, with or without the `Exif` prefix that JPEG puts before it.

    Returns:
        Its facts; of a damaged block those that are whole.
    """
    main = first_directory(exif, _WANTED)
    return facts_of(main) if main and main.fields else NOTHING


def first_directory(exif: bytes, wanted: frozenset[int]) -> Directory | None:
    """The first directory of an EXIF block.

    Args:
        exif: The TIFF structure, with or without the `Exif` prefix.
        wanted: Tags that are of interest.

    Returns:
        The directory, or None where the block does not begin as one.
    """
    tiff = exif[6:] if exif.startswith(b"Exif\0") else exif
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 14:
        return None
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    return read_directory(tiff, start, order, wanted)


def behind_offset(content: bytes) -> bytes:
    """The TIFF structure of an EXIF box, where four bytes say how much stands before it; some writers leave them out.

    Args:
        content: What is in the box.
    """
    if content[:2] in {b"II", b"MM"}:
        return content
    return content[4 + int.from_bytes(content[:4], "big") :]


def facts_of(main: Directory) -> ExifFacts:
    """What a first directory says, that of an EXIF block or of a TIFF file.

    Args:
        main: The directory; it must have been read with `WANTED`.
    """
    description = cleaned(decoded(main.raw(_DESCRIPTION, _MOST_BYTES))) if _DESCRIPTION in main.fields else ""
    comment = _user_comment(main) or _windows(main, _XP_COMMENT)
    return ExifFacts(_orientation(main), description, comment, _windows(main, _XP_TITLE))


WANTED = _WANTED
"""The tags that `facts_of` looks at."""


def _orientation(main: Directory) -> int | None:
    field = main.fields.get(_ORIENTATION)
    if field is None or field.kind not in _ORIENTATION_TYPES or field.count != 1:
        return None
    value = main.integer(_ORIENTATION)
    return value if value in range(1, 9) else None


def _windows(main: Directory, tag: int) -> str:
    return cleaned(decoded_utf16(main.raw(tag, _MOST_BYTES), big=False)) if tag in main.fields else ""


def _user_comment(main: Directory) -> str:
    """UserComment of the EXIF directory: eight bytes name its character set."""
    inner = inner_directory(main, frozenset({_USER_COMMENT}))
    return "" if inner is None else cleaned(user_comment(inner))


def inner_directory(main: Directory, wanted: frozenset[int]) -> Directory | None:
    """The EXIF directory that a first one points to, or None.

    Args:
        main: The first directory, read with tag 0x8769.
        wanted: Tags that are of interest.
    """
    start = main.integer(_EXIF_IFD)
    return None if start is None else read_directory(main.data, start, main.order, wanted)


def user_comment(inner: Directory) -> str:
    """UserComment as it is, in the character set that its first eight bytes name.

    Args:
        inner: The EXIF directory, read with tag 0x9286.
    """
    raw = inner.raw(_USER_COMMENT, _MOST_BYTES)
    code, text = raw[:8].rstrip(b"\0 "), raw[8:]
    if code == b"UNICODE":
        return decoded_utf16(text, big=inner.order == ">")
    if code == b"JIS":
        return text.decode("iso2022_jp", "replace")
    return decoded(text)
