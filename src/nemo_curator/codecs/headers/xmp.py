"""What an XMP packet says about a picture.

It is searched and not parsed: an XML parser would have to be kept from expanding entities, and packets in real files
are often cut or ill-formed. Every search is linear in the length of the packet.

Source: Adobe, XMP Specification part 1 (serialisation) and part 2, sections "Dublin Core" and "TIFF".
"""

from __future__ import annotations

import re

from nemo_curator.codecs.headers.words import LONGEST, cleaned, decoded, decoded_utf16

_ORIENTATION = re.compile(rb"tiff:Orientation(?:\s{0,9}=\s{0,9}[\"']|>)\s{0,9}([1-8])")
_ITEM = re.compile(rb"<rdf:li([^<>]{0,200})>([^<]*)<")
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_MOST_BYTES = 65_536  # of one property, all its languages


def xmp_orientation(xmp: bytes) -> int | None:
    """The orientation in an XMP packet: consulted only where EXIF has none, as Pillow does.

    Args:
        xmp: The packet.

    Returns:
        1 to 8, or None.
    """
    found = _ORIENTATION.search(xmp)
    return int(found[1]) if found else None


def xmp_description(xmp: bytes) -> str:
    """`dc:description` of a packet, in the default language, else in its first; "" where there is none."""
    return _property(narrow(xmp), b"dc:description")


def xmp_title(xmp: bytes) -> str:
    """`dc:title` of a packet, in the default language, else in its first; "" where there is none."""
    return _property(narrow(xmp), b"dc:title")


def narrow(xmp: bytes) -> bytes:
    """A packet in UTF-8; a few are in UTF-16, of which the first 65,536 bytes are looked at.

    Args:
        xmp: The packet.
    """
    if b"\0" not in xmp[:16]:
        return xmp
    return decoded_utf16(xmp, big=False).encode("utf-8", "ignore")


def _property(xmp: bytes, name: bytes) -> str:
    at = xmp.find(name)
    while at >= 0:
        end = at + len(name)
        if xmp[at - 1 : at] == b"<" and xmp[end : end + 1] in {b">", b" ", b"\n", b"\r", b"\t"}:
            return _element(xmp[at : at + _MOST_BYTES], name)
        if xmp[at - 1 : at] in {b" ", b"\n", b"\r", b"\t"} and xmp[end : end + 1] in {b"=", b" "}:
            return _attribute(xmp[end : end + _MOST_BYTES])
        at = xmp.find(name, end)
    return ""


def _element(xmp: bytes, name: bytes) -> str:
    body = xmp.partition(b"</" + name)[0]
    items = [(attributes, text) for attributes, text in _ITEM.findall(body) if text.strip()]
    if not items:
        return unescaped(body.partition(b">")[2].partition(b"<")[0])
    return unescaped(next((text for attributes, text in items if b"x-default" in attributes), items[0][1]))


def _attribute(after_name: bytes) -> str:
    quoted = after_name.lstrip(b" =\t\r\n")
    return unescaped(quoted[1:].partition(quoted[:1])[0]) if quoted[:1] in {b'"', b"'"} else ""


def unescaped(raw: bytes) -> str:
    """Text between tags or quotes, its entities resolved (those of XML itself, no other), cleaned.

    Args:
        raw: The text, in UTF-8.
    """
    return cleaned(_ENTITY.sub(_character, decoded(raw[: 16 * LONGEST])))


def _character(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    if name:
        return _NAMED[name]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF else ""
