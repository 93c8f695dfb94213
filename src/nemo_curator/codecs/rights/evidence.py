"""Which fields reserve an image, and which say that a model made it: each with its value, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nemo_curator.codecs.headers.words import cleaned
from nemo_curator.codecs.rights.exif_fields import ExifFields
from nemo_curator.codecs.rights.generated import generator_texts, is_infotext, trained_actions, trained_source
from nemo_curator.codecs.rights.packet import Packet
from nemo_curator.codecs.rights.reserved import (
    denied_uses,
    directive_among,
    directive_in_notice,
    directive_in_robots,
    prohibits,
    reserves,
)
from nemo_curator.codecs.rights.sources import INSTRUCTIONS, KEYWORDS, NOTICE, Sources

_NOTICES = ("dc:rights", "xmpRights:UsageTerms", "photoshop:Instructions", "plus:OtherConstraints")
_SOURCE_TYPES = ("Iptc4xmpExt:DigitalSourceType", "Iptc4xmpExt:digitalSourceType")
_SYSTEM = "Iptc4xmpExt:AISystemUsed"
_LONGEST_SYSTEM = 100
_OFF = frozenset({"0", "false", "no", "off"})
_ROBOTS_TEXTS = ("robots", "Robots", "X-Robots-Tag", "Comment")


def reservations(sources: Sources) -> Iterator[str]:
    """Every field that reserves, with its value, such as `XMP plus:DataMining=DMI-PROHIBITED`."""
    for where, packet in sources.packets:
        yield from (f"{where}XMP {said}" for said in _by_packet(packet))
    for assertion in sources.assertions:
        if assertion.label.endswith("training-mining"):
            for use, denial, _ in denied_uses(assertion.data):
                yield f"C2PA {assertion.label} {use}={denial}"
    for texts in sources.iptc:
        yield from (f"IPTC {said}" for said in _by_iptc(texts))
    for exif in sources.exif:
        yield from (f"EXIF {said}" for said in _by_exif(exif))
    yield from (f"PNG {said}" for said in _by_texts(sources.texts))
    directive = _first(directive_in_robots(comment) for comment in sources.comments)
    if directive:
        yield f"comment={directive}"


def opt_out_terms(sources: Sources) -> Iterator[str]:
    """Where reservations say more: policies, constraints."""
    for _, packet in sources.packets:
        yield from packet.texts("tdm:policy")
    for _, packet in sources.packets:
        yield packet.text("plus:OtherConstraints")
    for assertion in sources.assertions:
        yield from (cleaned(info) for _, _, info in denied_uses(assertion.data))


def generators(sources: Sources) -> Iterator[str]:
    """Every field that says that a generative model made the image or part of it, with its value."""
    for where, packet in sources.packets:
        for term in _first_each(trained_source(value) for name in _SOURCE_TYPES for value in packet.texts(name)):
            yield f"{where}XMP {_SOURCE_TYPES[0]}={term}"
        system = packet.text(_SYSTEM)
        if system:
            yield f"{where}XMP {_SYSTEM}={system[:_LONGEST_SYSTEM]}"
    for assertion in sources.assertions:
        if assertion.label == "c2pa.actions":
            yield from (f"C2PA c2pa.actions digitalSourceType={term}" for term in trained_actions(assertion.data))
    yield from (f"PNG {keyword}" for keyword in generator_texts(sources.texts))
    for exif in sources.exif:
        if any(map(is_infotext, exif.raw)):
            yield "EXIF generation settings"
        if exif.software == "NovelAI":
            yield "EXIF Software=NovelAI"


def _by_packet(packet: Packet) -> Iterator[str]:
    for term in _first_each(map(prohibits, packet.texts("plus:DataMining"))):
        yield f"plus:DataMining={term}"
    if any(map(reserves, packet.texts("tdm:reservation"))):
        yield "tdm:reservation=1"
    found = {name: _first(map(directive_in_notice, packet.texts(name))) for name in _NOTICES}
    yield from _said({"dc:subject": directive_among(packet.texts("dc:subject")), **found})


def _by_iptc(texts: Mapping[int, Sequence[str]]) -> Iterator[str]:
    notices = {f"2:{number}": directive_in_notice(" ".join(texts.get(number, ()))) for number in (INSTRUCTIONS, NOTICE)}
    yield from _said({f"2:{KEYWORDS}": directive_among(texts.get(KEYWORDS, ())), **notices})


def _by_exif(exif: ExifFields) -> Iterator[str]:
    yield from _said(
        {
            "Copyright": directive_in_notice(exif.copyright),
            "XPKeywords": directive_among(exif.keywords),
            "UserComment": directive_in_robots(exif.comment),
        }
    )


def _by_texts(texts: Mapping[str, str]) -> Iterator[str]:
    yield from (key for key in ("noai", "noimageai") if key in texts and texts[key].strip().lower() not in _OFF)
    yield from (f"{key}=1" for key in ("tdm-reservation", "tdm:reservation") if reserves(texts.get(key, "")))
    robots = {name: directive_in_robots(texts.get(name, "")) for name in _ROBOTS_TEXTS}
    keywords = directive_among(texts.get("Keywords", "").replace(";", ",").split(","))
    notices = {name: directive_in_notice(texts.get(name, "")) for name in ("Copyright", "License", "Licence")}
    yield from _said({**robots, "Keywords": keywords, **notices})


def _said(found: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}={directive}" for name, directive in found.items() if directive)


def _first(texts: Iterator[str]) -> str:
    return next(filter(None, texts), "")


def _first_each(texts: Iterator[str]) -> list[str]:
    """Those that are not empty, each once."""
    return list(dict.fromkeys(filter(None, texts)))
