"""The headers of an Arrow stream, read by us: how many rows there are, and whether anything in it is compressed.

A compressed buffer may claim any size, and Arrow allocates what it claims. What is not compressed lies in the file, so
that a mapped file costs no memory until it is looked at.

Source: the Arrow columnar format 1.5, "Serialization and Interprocess Communication", and FlatBuffers' internals.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_CONTINUED = 0xFFFFFFFF
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2
_ALIGNED = 8
_VERSION = 4  # V5, since 1.0; an older message may name a compression beside its batch
_MOST_HEADER = 1 << 26  # bytes; one has some hundred a column


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What the headers of a stream say.

    Attributes:
        rows: Rows of each record batch that is there as a whole.
        trouble: Why the stream is not read beyond them, or "".
        compressed: Whether any of it is compressed, or may be: batches of an older version, or with words of their own.
    """

    rows: tuple[int, ...]
    trouble: str = ""
    compressed: bool = False


def stream_facts(data: memoryview) -> StreamFacts:
    """Walk over the messages of a stream.

    Args:
        data: The whole file, mapped.
    """
    rows: list[int] = []
    at = 0
    while at < len(data):
        try:
            start, length = _header(data, at)
            if not length:
                return StreamFacts(tuple(rows))
            kind, count, compressed, body = _message(data[start : start + length])
        except (struct.error, IndexError, ValueError):
            return StreamFacts(tuple(rows), "it is damaged, or no Arrow stream")
        if compressed:
            return StreamFacts(tuple(rows), compressed=True)
        at = start + length + body
        if at > len(data):
            return StreamFacts(tuple(rows), "it ends inside a batch")
        if kind == _RECORD_BATCH:
            rows.append(count)
    return StreamFacts(tuple(rows), "" if rows else "it holds no rows")


def _header(data: memoryview, at: int) -> tuple[int, int]:
    """(where a message's header begins, its length; 0 at the end of the stream)."""
    (length,) = struct.unpack_from("<I", data, at)
    start = at + 4
    if length == _CONTINUED:  # since version 0.15
        (length,) = struct.unpack_from("<I", data, start)
        start += 4
    if length > min(_MOST_HEADER, len(data) - start):
        raise ValueError
    return start, length


def _message(header: memoryview) -> tuple[int, int, bool, int]:
    """(what kind of message it is, its rows, whether it is compressed, bytes of its body)."""
    table = _Table(header, _unsigned(header, 0))
    kind, body = table.number(1, "<B"), table.number(3, "<q")
    if body < 0 or body % _ALIGNED:
        raise ValueError
    inner = table.table(2)
    if kind == _DICTIONARY_BATCH and inner is not None:
        inner = inner.table(1)
    if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH) or inner is None:
        return kind, 0, False, body
    count = inner.number(0, "<q")
    if count < 0:
        raise ValueError
    compressed = inner.has(3) or table.has(4) or table.number(0, "<h") != _VERSION
    return kind, count, compressed, body


class _Table:
    """A FlatBuffers table: fields by their number, each where its list of offsets says."""

    def __init__(self, data: memoryview, at: int) -> None:
        self._data, self._at = data, at
        self._offsets = at - struct.unpack_from("<i", data, at)[0]
        if self._offsets < 0:
            raise ValueError
        self._size = struct.unpack_from("<H", data, self._offsets)[0]

    def has(self, field: int) -> bool:
        """Whether a field is there."""
        return self._place(field) > 0

    def number(self, field: int, kind: str) -> int:
        """A field that is a number; 0 where it is not there."""
        place = self._place(field)
        return int(struct.unpack_from(kind, self._data, place)[0]) if place else 0

    def table(self, field: int) -> _Table | None:
        """A field that is a table."""
        place = self._place(field)
        return _Table(self._data, place + _unsigned(self._data, place)) if place else None

    def _place(self, field: int) -> int:
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return 0
        offset = struct.unpack_from("<H", self._data, self._offsets + entry)[0]
        return self._at + offset if offset else 0


def _unsigned(data: memoryview, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])
