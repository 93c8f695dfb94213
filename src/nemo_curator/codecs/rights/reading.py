"""The bytes of a file, and of what lies beside it, to one statement about rights.

Of several texts for one thing a sidecar's XMP comes first, then the file's XMP, IPTC, EXIF and the texts of a PNG.
Reservations, and what says that a model made the image, are collected from everywhere: none is overruled by another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nemo_curator.codecs.headers.words import cleaned
from nemo_curator.codecs.rights.evidence import generators, opt_out_terms, reservations
from nemo_curator.codecs.rights.sources import BY_LINE, CREDIT, NOTICE, Sources, read_sources
from nemo_curator.codecs.rights.statement import LONGEST, Rights, joined
from nemo_curator.kernels.sniff import sniff

_LICENCES = ("cc:license", "dcterms:license", "xmpRights:WebStatement", "plus:LicensorURL")
_TERMS = ("xmpRights:UsageTerms", "plus:OtherConstraints")
_MARKED = {"true": True, "1": True, "false": False, "0": False}
_NOTHING = Rights()


def read_rights(data: bytes, image_format: str | None = None, sidecars: Mapping[str, bytes] | None = None) -> Rights:
    """Read what an image file, and the sidecars of its sample, say about rights and origin.

    Nothing in hostile bytes makes it raise: what is damaged is left out. Work and memory are bounded by the length of
    the bytes.

    Args:
        data: The file; b"" for an image that has none.
        image_format: As `kernels.sniff` names it; by default, what the first bytes say.
        sidecars: Name to bytes of what lies beside the image: `.xmp` (XMP) and `.c2pa` (a manifest store) are read.

    Returns:
        The statement; an empty one where there is nothing.
    """
    name = image_format if image_format is not None else sniff(data) or ""
    sources = read_sources(data, name, sidecars or {})
    if sources.silent:
        return _NOTHING
    opt_out = tuple(dict.fromkeys(reservations(sources)))
    return Rights(
        opt_out_by=opt_out,
        opt_out_terms=joined(opt_out_terms(sources)) if opt_out else "",
        copyright=_first(_copyright(sources)),
        creator=_first(_creators(sources)),
        credit=_first(_credit(sources)),
        licence=_licence(sources),
        marked=_marked(sources),
        generated_by=tuple(dict.fromkeys(generators(sources))),
        has_c2pa=sources.has_store,
    )


def _copyright(sources: Sources) -> Iterator[str]:
    for name in ("dc:rights", "tiff:Copyright"):
        yield from (packet.text(name) for _, packet in sources.packets)
    yield from (text for texts in sources.iptc for text in texts.get(NOTICE, ()))
    yield from (exif.copyright for exif in sources.exif)
    yield cleaned(sources.texts.get("Copyright", ""))


def _creators(sources: Sources) -> Iterator[str]:
    """Of each source all whom it names."""
    for name in ("dc:creator", "tiff:Artist"):
        yield from (joined(packet.texts(name)) for _, packet in sources.packets)
    yield from (joined(texts.get(BY_LINE, ())) for texts in sources.iptc)
    yield from (exif.artist for exif in sources.exif)
    yield cleaned(sources.texts.get("Author", ""))


def _credit(sources: Sources) -> Iterator[str]:
    yield from (packet.text("photoshop:Credit") for _, packet in sources.packets)
    yield from (text for texts in sources.iptc for text in texts.get(CREDIT, ()))


def _licence(sources: Sources) -> str:
    """Addresses first, then terms: a long text must not push an address out."""
    addresses = [text for name in _LICENCES for _, packet in sources.packets for text in packet.texts(name)]
    texts = [cleaned(sources.texts.get(name, "")) for name in ("License", "Licence")]
    terms = [packet.text(name) for name in _TERMS for _, packet in sources.packets]
    return joined([*addresses, *texts, *terms])


def _marked(sources: Sources) -> bool | None:
    """The first packet that says so. Source: XMP Specification part 1, section 8 (`xmpRights:Marked`)."""
    values = (packet.text("xmpRights:Marked").lower() for _, packet in sources.packets)
    return next((_MARKED[value] for value in values if value in _MARKED), None)


def _first(texts: Iterator[str]) -> str:
    return next(filter(None, texts), "")[:LONGEST].rstrip()
