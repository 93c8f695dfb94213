"""The caption of a picture in IPTC's older form, which news agencies and Photoshop write.

Source: IPTC-NAA Information Interchange Model version 4, sections 1.5 and 2:120; Adobe, Photoshop File Formats
Specification, section "Image Resource Blocks".
"""

from __future__ import annotations

from collections.abc import Iterator

from nemo_curator.codecs.headers.words import cleaned, decoded

_MOST_DATASETS = 1000
_MOST_RESOURCES = 1000
_IPTC = 0x0404  # the resource that holds IPTC data
_RECORD_2, _CAPTION, _TAG = 2, 120, 0x1C
_CHARACTER_SET = (1, 90)
_UTF8 = b"\x1b%G"


def iptc_caption(iptc: bytes) -> str:
    """Caption/Abstract (2:120).

    Args:
        iptc: The datasets, one after the other.

    Returns:
        The caption, or "". UTF-8 where 1:90 says so or the bytes are that, else Windows-1252.
    """
    return next(iter(iptc_texts(iptc, frozenset({_CAPTION})).get(_CAPTION, ())), "")


def iptc_texts(iptc: bytes, wanted: frozenset[int]) -> dict[int, list[str]]:
    """The texts of record 2.

    Args:
        iptc: The datasets, one after the other.
        wanted: Numbers of datasets that are of interest.

    Returns:
        Number to its texts, in their order, without those that are empty.
    """
    declared, bodies = b"", dict[int, list[bytes]]()
    for record, number, body in _datasets(iptc):
        if (record, number) == _CHARACTER_SET:
            declared = body
        elif record == _RECORD_2 and number in wanted and body:
            bodies.setdefault(number, []).append(body)
    utf8 = declared == _UTF8
    texts = {
        number: [cleaned(body.decode("utf-8", "replace") if utf8 else decoded(body)) for body in found]
        for number, found in bodies.items()
    }
    return {number: kept for number, found in texts.items() if (kept := [text for text in found if text])}


def _datasets(iptc: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(record, number, content) of each, until one is damaged."""
    at = iptc.find(b"\x1c")
    for _ in range(_MOST_DATASETS):
        if at < 0 or at + 5 > len(iptc) or iptc[at] != _TAG:
            return
        size = iptc[at + 3] << 8 | iptc[at + 4]
        if size & 0x8000:  # an extended dataset; none of text is that long
            return
        yield iptc[at + 1], iptc[at + 2], iptc[at + 5 : at + 5 + size]
        at += 5 + size


def iptc_of_resources(resources: bytes) -> bytes:
    """The IPTC datasets among Photoshop's image resources.

    Args:
        resources: The blocks, each beginning with `8BIM`.

    Returns:
        The datasets, or b"" where there are none.
    """
    found = next((place for number, *place in image_resources(resources) if number == _IPTC), None)
    return resources[found[0] : found[1]] if found else b""


def image_resources(resources: bytes) -> Iterator[tuple[int, int, int]]:
    """Photoshop's image resources.

    Args:
        resources: The blocks, each beginning with `8BIM`.

    Yields:
        (number, start, end) of each one's content, which may end behind the bytes.
    """
    at = 0
    for _ in range(_MOST_RESOURCES):
        if resources[at : at + 4] != b"8BIM" or at + 12 > len(resources):
            return
        size_at = at + 6 + (resources[at + 6] + 2 & ~1)  # a Pascal string, padded to an even length
        size = int.from_bytes(resources[size_at : size_at + 4], "big")
        yield int.from_bytes(resources[at + 4 : at + 6], "big"), size_at + 4, size_at + 4 + size
        at = size_at + 4 + size + (size & 1)
