"""The properties of an XMP packet, found by namespace and name.

As in `headers.xmp` a packet is searched and not parsed, so there is nothing to expand and nothing to nest. A prefix
counts for the namespace that the packet binds it to; the usual prefix counts also where the packet, cut or ill-formed,
binds it to nothing.

Source: ISO 16684-1 (XMP), section 7; the namespaces are those of Dublin Core, XMP part 1 section 8, PLUS LDF, IPTC
Photo Metadata 2025.1, Creative Commons (ccREL) and W3C TDMRep.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nemo_curator.codecs.headers.words import LONGEST
from nemo_curator.codecs.headers.xmp import narrow, unescaped

_MOST_BYTES = 1 << 20  # of a packet
_MOST_VALUE = 65_536  # bytes of one property, all its languages
_MOST_PLACES = 16  # where a property stands; once is right
_MOST_ITEMS = 100
_MOST_NAMES = 500
_MOST_PREFIXES = 4  # for one namespace; one is right
_LONGEST_TAG = 4096

_BINDING = re.compile(rb"""xmlns:([\w.-]{1,64})\s{0,9}=\s{0,9}(?:"([^"<>]{1,200})"|'([^'<>]{1,200})')""")
_ITEM = re.compile(rb"<(?:[\w.-]{1,64}:)?li(\s[^<>]{0,2000}|/|)>([^<]*)(?=<)")
_RESOURCE = re.compile(rb"""rdf:resource\s{0,9}=\s{0,9}(?:"([^"<>]{1,2000})"|'([^'<>]{1,2000})')""")
_TAG = re.compile(rb"<[^<>]*>")
_BLANK = b" \t\r\n"

_SPACES = {
    b"purl.org/dc/elements/1.1": b"dc",
    b"purl.org/dc/terms": b"dcterms",
    b"ns.adobe.com/xap/1.0/rights": b"xmpRights",
    b"ns.adobe.com/photoshop/1.0": b"photoshop",
    b"ns.adobe.com/tiff/1.0": b"tiff",
    b"creativecommons.org/ns": b"cc",
    b"web.resource.org/cc": b"cc",
    b"ns.useplus.org/ldf/xmp/1.0": b"plus",
    b"ns.useplus.org/ldf/1.0": b"plus",
    b"iptc.org/std/iptc4xmpext/2008-02-29": b"Iptc4xmpExt",
    b"w3.org/ns/tdmrep": b"tdm",
    b"w3.org/ns/tdm": b"tdm",
}
"""Namespace, without scheme, `www.` and what ends it, in lower case → its usual prefix."""


class Packet:
    """One packet, for asking.

    Args:
        xmp: The packet, in UTF-8 or UTF-16; the first million bytes are looked at.
    """

    def __init__(self, xmp: bytes) -> None:
        """Find out which prefixes stand for what."""
        self._xmp = _uncommented(narrow(xmp[:_MOST_BYTES]))
        bound: dict[bytes, set[bytes]] = {}
        taken = set()
        for number, found in enumerate(_BINDING.finditer(self._xmp)):
            if number == _MOST_NAMES:
                break
            taken.add(found[1])
            usual = _SPACES.get(_bare(found[2] or found[3]))
            if usual:
                bound.setdefault(usual, set()).add(found[1])
        named = ((usual, bound.get(usual, set()) | ({usual} - taken)) for usual in set(_SPACES.values()))
        # most packets use few of the namespaces: the others need not be searched for each of their properties
        self._prefixes = {
            usual: sorted(prefix for prefix in sorted(prefixes)[:_MOST_PREFIXES] if prefix + b":" in self._xmp)
            for usual, prefixes in named
        }

    def text(self, name: str) -> str:
        """A property in the default language, else its first value; "" where there is none.

        Args:
            name: The property with its usual prefix, such as `dc:rights`.
        """
        first = ""
        for default, text in self._values(name):
            if default and text:
                return text
            first = first or text
        return first

    def texts(self, name: str) -> list[str]:
        """All values of a property, those of all its languages, in their order; none is empty.

        Args:
            name: The property with its usual prefix.
        """
        return list(dict.fromkeys(text for _, text in self._values(name) if text))

    def _values(self, name: str) -> Iterator[tuple[bool, str]]:
        """(whether it is in the default language, text) of every value."""
        usual, _, local = name.encode().partition(b":")
        for prefix in self._prefixes[usual]:
            full = prefix + b":" + local
            places = 0
            at = self._xmp.find(full)
            while at > 0 and places < _MOST_PLACES:
                end = at + len(full)
                before, after = self._xmp[at - 1], self._xmp[end : end + 1]
                if before == 0x3C and (after in {b">", b"/"} or (after and after in _BLANK)):  # <
                    places += 1
                    yield from self._element(at, full)
                elif before in _BLANK and after and after in b"= \t\r\n":
                    places += 1
                    yield False, _quoted(self._xmp[end : end + _MOST_VALUE])
                at = self._xmp.find(full, end)

    def _element(self, at: int, name: bytes) -> Iterator[tuple[bool, str]]:
        close = self._xmp.find(b">", at, at + _LONGEST_TAG)
        if close < 0:
            return
        resource = _RESOURCE.search(self._xmp, at, close)
        if resource:
            yield False, unescaped(resource[1] or resource[2])
        if self._xmp[close - 1 : close] == b"/":
            return
        start = close + 1
        end = self._xmp.find(b"</" + name, start, start + _MOST_VALUE)
        if end < 0:  # cut, or longer than any property: its first text alone
            yield False, unescaped(self._xmp[start : start + _MOST_VALUE].partition(b"<")[0])
            return
        yield from _values_in(self._xmp[start:end])


def _values_in(body: bytes) -> Iterator[tuple[bool, str]]:
    """Of a list its items, else the text, without the tags that may stand around it."""
    found = False
    for number, item in enumerate(_ITEM.finditer(body)):
        if number == _MOST_ITEMS:
            return
        resource = _RESOURCE.search(item[1])
        text = unescaped(item[2]) or (unescaped(resource[1] or resource[2]) if resource else "")
        found = found or bool(text)
        yield b"x-default" in item[1], text
    if not found:
        yield False, unescaped(_TAG.sub(b" ", body[: 16 * LONGEST]))


def _quoted(after_name: bytes) -> str:
    value = after_name.lstrip(b" =\t\r\n")
    return unescaped(value[1:].partition(value[:1])[0]) if value[:1] in {b'"', b"'"} else ""


def _bare(uri: bytes) -> bytes:
    bare = uri.lower().removeprefix(b"https://").removeprefix(b"http://").removeprefix(b"www.")
    return bare.rstrip(b"/#")


def _uncommented(xmp: bytes) -> bytes:
    """Without comments, which say nothing; character data stand for themselves."""
    if b"<!" not in xmp:
        return xmp
    first, *others = xmp.split(b"<!--")
    kept = b"".join([first, *(other.partition(b"-->")[2] for other in others)])
    return kept.replace(b"<![CDATA[", b"").replace(b"]]>", b"")
