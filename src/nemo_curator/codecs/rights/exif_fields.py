"""What an EXIF block says about rights and origin.

Source: CIPA DC-008 (Exif 3.0), section 4.6.5 (Artist 0x013B, Copyright 0x8298, UserComment 0x9286, Photographer
0xA437); Microsoft's XPAuthor and XPKeywords.
"""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.codecs.headers.exif import inner_directory, user_comment
from nemo_curator.codecs.headers.ifd import Directory
from nemo_curator.codecs.headers.words import cleaned, decoded, decoded_utf16

_COPYRIGHT, _ARTIST, _SOFTWARE, _MAKE, _MODEL = 0x8298, 0x013B, 0x0131, 0x010F, 0x0110
_XP_AUTHOR, _XP_KEYWORDS = 0x9C9D, 0x9C9E
_EXIF_IFD, _USER_COMMENT, _PHOTOGRAPHER = 0x8769, 0x9286, 0xA437
_INNER = frozenset({_USER_COMMENT, _PHOTOGRAPHER})
_MOST_BYTES = 65_536

WANTED = frozenset(
    {_COPYRIGHT, _ARTIST, _SOFTWARE, _MAKE, _MODEL, _XP_AUTHOR, _XP_KEYWORDS, _EXIF_IFD},
)
"""Tags of a first directory that `exif_fields` looks at."""


@dataclass(frozen=True, slots=True)
class ExifFields:
    """What is of interest; "" where there is none.

    Attributes:
        copyright: The photographer's notice, then the editor's.
        artist: Artist, else Photographer, else Windows' XPAuthor.
        keywords: Windows' XPKeywords.
        software: Software.
        comment: UserComment.
        raw: Make, Model and UserComment as they are, where generators write their settings.
    """

    copyright: str = ""
    artist: str = ""
    keywords: tuple[str, ...] = ()
    software: str = ""
    comment: str = ""
    raw: tuple[str, ...] = ()


def exif_fields(main: Directory) -> ExifFields:
    """Read a first directory.

    Args:
        main: The directory, of an EXIF block or a TIFF file, read with `WANTED`.

    Returns:
        Its fields; of a damaged one those that are whole.
    """
    inner = inner_directory(main, _INNER)
    notices = [cleaned(decoded(part)) for part in main.raw(_COPYRIGHT, _MOST_BYTES).split(b"\0", 2)[:2]]
    artist = cleaned(_text(main, _ARTIST))
    if not artist and inner is not None:
        artist = cleaned(_text(inner, _PHOTOGRAPHER))
    keywords = _windows(main, _XP_KEYWORDS).split(";")
    comment = user_comment(inner) if inner is not None and _USER_COMMENT in inner.fields else ""
    raw = (_text(main, _MAKE), _text(main, _MODEL), comment)
    return ExifFields(
        "; ".join(notice for notice in notices if notice),
        artist or _windows(main, _XP_AUTHOR),
        tuple(stripped for keyword in keywords if (stripped := keyword.strip())),
        cleaned(_text(main, _SOFTWARE)),
        cleaned(comment),
        tuple(text for text in raw if text),
    )


def _text(directory: Directory, tag: int) -> str:
    return decoded(directory.raw(tag, _MOST_BYTES)) if tag in directory.fields else ""


def _windows(main: Directory, tag: int) -> str:
    return cleaned(decoded_utf16(main.raw(tag, _MOST_BYTES), big=False)) if tag in main.fields else ""
