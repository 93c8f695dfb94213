"""The blocks of metadata that a file carries, and what they say together.

Every format keeps the same three blocks (EXIF, XMP, IPTC) in places of its own. The parsers of the formats collect the
blocks; what they say, and which has the last word, is decided here alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nemo_curator.codecs.headers.exif import NOTHING, ExifFacts, read_exif
from nemo_curator.codecs.headers.iptc import iptc_caption
from nemo_curator.codecs.headers.words import cleaned, decoded
from nemo_curator.codecs.headers.xmp import xmp_description, xmp_orientation, xmp_title


@dataclass(slots=True)
class Blocks:
    """What a parser met; b"" or "" where there is none.

    Attributes:
        exif: A TIFF structure, with or without `Exif` before it.
        xmp: A packet.
        iptc: Datasets.
        text: The text that the format itself gives a name as description, title or comment (PNG).
        comment: The format's own comment without a name (JPEG, GIF).
        has_icc: Whether there is an ICC profile.
        resources: Whether a block of Photoshop's resources was met, which may hold the IPTC datasets.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    text: str = ""
    comment: bytes = b""
    has_icc: bool = False
    resources: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What the blocks say together.

    Attributes:
        exif_orientation: 1 to 8 from EXIF, or None.
        orientation: 1 to 8: EXIF's, else XMP's, else 1.
        caption: The first text of the documented order, or "".
    """

    exif_orientation: int | None
    orientation: int
    caption: str


_SILENCE = Said(None, 1, "")


def said_by(blocks: Blocks, exif: ExifFacts | None = None) -> Said:
    """Read the blocks.

    The caption is the first of these that is not empty: XMP dc:description; IPTC caption; EXIF ImageDescription; EXIF
    UserComment (else Windows' XPComment); XMP dc:title; Windows' XPTitle; a named text of the format; its comment.

    Args:
        blocks: What the parser met.
        exif: What EXIF says, where the caller has read it already.
    """
    if exif is None:
        exif = read_exif(blocks.exif) if blocks.exif else NOTHING
    if exif is NOTHING and not (blocks.xmp or blocks.iptc or blocks.text or blocks.comment):
        return _SILENCE
    orientation = exif.orientation
    if orientation is None and blocks.xmp:
        orientation = xmp_orientation(blocks.xmp)
    return Said(exif.orientation, orientation or 1, next(filter(None, _captions(blocks, exif)), ""))


def _captions(blocks: Blocks, exif: ExifFacts) -> Iterator[str]:
    if blocks.xmp:
        yield xmp_description(blocks.xmp)
    if blocks.iptc:
        yield iptc_caption(blocks.iptc)
    yield exif.description
    yield exif.comment
    if blocks.xmp:
        yield xmp_title(blocks.xmp)
    yield exif.title
    yield cleaned(blocks.text)
    if blocks.comment:
        yield cleaned(decoded(blocks.comment))
