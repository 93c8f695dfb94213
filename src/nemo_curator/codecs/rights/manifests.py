"""C2PA manifest stores: whether bytes are one, and what its assertions about use and origin say.

No signature, hash or certificate is looked at, so a manifest here is a claim and not a proof.

Source: ISO/IEC 19566-5 (JUMBF), annexes A and B; C2PA Technical Specification 2.1, section 11.1 (labels and types of
the boxes) and 18.12 (actions); C2PA 1.4, "Training and Data Mining", and CAWG Training and Data Mining Assertion 1.1
(`training-mining`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nemo_curator.codecs.headers.boxes import boxes
from nemo_curator.codecs.rights.cbor import read_cbor

_TYPE = bytes.fromhex("00110010800000aa00389b71")  # what follows the four letters of a type
_STORE, _ASSERTIONS = b"c2pa" + _TYPE, b"c2as" + _TYPE
_LABELLED = 2  # bit of the toggles
_MOST_BOXES = 200  # on one level
_MOST_MANIFESTS = 64
_MOST_LOOKED_AT, _MOST_ASSERTIONS = 5_000, 32  # in all manifests; the latter of the wanted kinds
_MOST_BYTES = 1 << 18  # of one assertion
_VERSION = re.compile(r"(?:\.v[0-9]{1,3})?(?:__[0-9]{1,6})?$")
_WANTED = frozenset({"c2pa.actions", "c2pa.training-mining", "cawg.training-mining"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """One assertion of a manifest.

    Attributes:
        label: `c2pa.actions`, `c2pa.training-mining` or `cawg.training-mining`, without version and number.
        data: Its content as plain values.
    """

    label: str
    data: dict[str, Any]


def store_in(payload: bytes) -> bytes:
    """The manifest store among boxes.

    Args:
        payload: What a format keeps where a store belongs.

    Returns:
        The content of the first superbox that is described as a store, or b"".
    """
    for kind, at, end in boxes(payload, 0, len(payload)):
        if kind == b"jumb" and is_store(payload, at, end):
            return payload[at:end]
    return b""


def is_store(data: bytes, start: int, end: int) -> bool:
    """Whether a superbox says that it is a C2PA manifest store.

    Args:
        data: The file.
        start: Where the content of the superbox begins.
        end: Where it ends.
    """
    return _described(data, start, end)[0] == _STORE


def assertions_of(store: bytes) -> Iterator[Assertion]:
    """The assertions about use and origin in all manifests of a store, those of ingredients too.

    Args:
        store: The content of its superbox.

    Yields:
        Those that can be read; compressed manifests cannot.
    """
    places = (
        place
        for manifest in islice(_superboxes(store, 0, len(store)), _MOST_MANIFESTS)
        for part in _superboxes(store, *manifest)
        if _described(store, *part)[0] == _ASSERTIONS
        for place in _superboxes(store, *part)
    )
    wanted = (
        (label, place)
        for place in islice(places, _MOST_LOOKED_AT)
        if (label := _VERSION.sub("", _described(store, *place)[1])) in _WANTED
    )
    for label, place in islice(wanted, _MOST_ASSERTIONS):
        found = _assertion(label, store, *place)
        if found is not None:
            yield found


def _assertion(label: str, store: bytes, start: int, end: int) -> Assertion | None:
    for kind, at, stop in islice(boxes(store, start, end), _MOST_BOXES):
        try:
            if kind == b"cbor":
                data = read_cbor(store[at : min(stop, at + _MOST_BYTES)])
            elif kind == b"json":
                data = json.loads(store[at : min(stop, at + _MOST_BYTES)])
            else:
                continue
        except (ValueError, RecursionError):
            return None
        return Assertion(label, data) if isinstance(data, dict) else None
    return None


def _superboxes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    return ((at, stop) for kind, at, stop in islice(boxes(data, start, end), _MOST_BOXES) if kind == b"jumb")


def _described(data: bytes, start: int, end: int) -> tuple[bytes, str]:
    """(type, label) of a superbox, from the description that must come first in it."""
    for kind, at, stop in boxes(data, start, end):
        if kind != b"jumd" or stop - at < 17:
            break
        label = data[at + 17 : min(stop, at + 273)].partition(b"\0")[0] if data[at + 16] & _LABELLED else b""
        return data[at : at + 16], label.decode("utf-8", "replace")
    return b"", ""
