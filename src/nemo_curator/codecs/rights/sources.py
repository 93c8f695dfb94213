"""Everything in and beside a file that may speak of rights, read as far as its own form goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nemo_curator.codecs.headers.iptc import iptc_texts
from nemo_curator.codecs.rights.exif_fields import ExifFields, exif_fields
from nemo_curator.codecs.rights.manifests import Assertion, assertions_of
from nemo_curator.codecs.rights.packet import Packet
from nemo_curator.codecs.rights.payloads import collect

KEYWORDS, INSTRUCTIONS, BY_LINE, CREDIT, NOTICE = 25, 40, 80, 110, 116
"""Datasets of IPTC's record 2 that are read."""

_IPTC_WANTED = frozenset({KEYWORDS, INSTRUCTIONS, BY_LINE, CREDIT, NOTICE})
_MOST_SIDECARS = 4
_MOST_SIDECAR = 1 << 24  # bytes


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found, in order of precedence.

    Attributes:
        packets: (`sidecar ` or "", XMP packet).
        iptc: Number of a dataset to its texts, for each block of them.
        exif: Fields of each EXIF block.
        texts: Keyword to text, of a PNG.
        comments: Texts without a name.
        assertions: Of C2PA manifests.
        has_store: Whether there is a C2PA manifest store.
    """

    packets: list[tuple[str, Packet]]
    iptc: list[dict[int, list[str]]]
    exif: list[ExifFields]
    texts: dict[str, str]
    comments: list[str]
    assertions: list[Assertion]
    has_store: bool

    @property
    def silent(self) -> bool:
        """Whether there is nothing at all."""
        return not (
            self.packets or self.iptc or self.exif or self.texts or self.comments or self.assertions or self.has_store
        )


def read_sources(data: bytes, image_format: str, sidecars: Mapping[str, bytes]) -> Sources:
    """Read what may speak.

    Args:
        data: The file.
        image_format: As `kernels.sniff` names it.
        sidecars: Name to bytes of what lies beside it.
    """
    found = collect(data, image_format)
    packets: list[tuple[str, Packet]] = []
    for name, content in sidecars.items():
        extension = name.lower().rpartition(".")[2]
        if extension == "xmp" and len(packets) < _MOST_SIDECARS:
            packets.append(("sidecar ", Packet(content)))
        elif extension == "c2pa":
            found.add_boxed_store(content[:_MOST_SIDECAR])
    packets += [("", Packet(packet)) for packet in found.xmp]
    return Sources(
        packets,
        [iptc_texts(datasets, _IPTC_WANTED) for datasets in found.iptc],
        [exif_fields(directory) for directory in found.exif],
        found.texts,
        found.comments,
        [assertion for store in found.stores for assertion in assertions_of(store)],
        bool(found.stores),
    )
