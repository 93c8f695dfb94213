"""The caption of a picture in IPTC's older form, which news agencies and Photoshop write.

Source: IPTC-NAA Information Interchange Model version 4, sections 1.5 and 2:120; Adobe, Photoshop File Formats
Specification, section "Image Resource Blocks".
"""

from __future__ import annotations

from nemo_curator.codecs.headers.words import cleaned, decoded

_MOST_DATASETS = 1000
_MOST_RESOURCES = 1000
_IPTC = b"\x04\x04"  # the resource that holds IPTC data
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
    at, declared, caption = iptc.find(b"\x1c"), b"", b""
    for _ in range(_MOST_DATASETS):
        if at < 0 or at + 5 > len(iptc) or iptc[at] != _TAG:
            break
        size = iptc[at + 3] << 8 | iptc[at + 4]
        if size & 0x8000:  # an extended dataset; none of text is that long
            break
        body = iptc[at + 5 : at + 5 + size]
        if (iptc[at + 1], iptc[at + 2]) == _CHARACTER_SET:
            declared = body
        elif (iptc[at + 1], iptc[at + 2]) == (_RECORD_2, _CAPTION) and not caption:
            caption = body
        at += 5 + size
    text = caption.decode("utf-8", "replace") if declared == _UTF8 else decoded(caption)
    return cleaned(text)


def iptc_of_resources(resources: bytes) -> bytes:
    """The IPTC datasets among Photoshop's image resources.

    Args:
        resources: The blocks, each beginning with `8BIM`.

    Returns:
        The datasets, or b"" where there are none.
    """
    at = 0
    for _ in range(_MOST_RESOURCES):
        if resources[at : at + 4] != b"8BIM" or at + 12 > len(resources):
            break
        name = resources[at + 4 : at + 6]
        size_at = at + 6 + (resources[at + 6] + 2 & ~1)  # a Pascal string, padded to an even length
        size = int.from_bytes(resources[size_at : size_at + 4], "big")
        if name == _IPTC:
            return resources[size_at + 4 : size_at + 4 + size]
        at = size_at + 4 + size + (size & 1)
    return b""
