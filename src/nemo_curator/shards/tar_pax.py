"""The records of a PAX extended header: `<length> <key>=<value>` and a newline, one after another."""

from __future__ import annotations

SPARSE = "GNU.sparse"
"""Stands in the records where any `GNU.sparse.*` does."""

_LONGEST_LENGTH = 20  # digits; more is no length
_KEPT = frozenset({b"path", b"linkpath", b"size", b"GNU.sparse.name"})


class PaxError(ValueError):
    """The bytes are not PAX records."""


def pax_records(body: bytes) -> dict[str, str]:
    """The records that bear on where a member lies and what it is called.

    Args:
        body: The data of a PAX header, without its padding.

    Returns:
        `path`, `linkpath`, `size` and `GNU.sparse.name`, as far as they are there, and `SPARSE`: a few at most,
        however many a header holds. Bytes that are not UTF-8 become surrogates, whatever `hdrcharset` says.

    Raises:
        PaxError: A record is malformed.
    """
    records: dict[str, str] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + _LONGEST_LENGTH + 1)
        digits = body[at:space] if space > at else b""
        if not digits.isdigit():
            raise PaxError("a record does not begin with its length")
        end = at + int(digits)
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if end > len(body) or not equals or body[end - 1 : end] != b"\n":
            raise PaxError("a record does not end where its length says")
        if key in _KEPT:
            # a name ends at a zero byte, here as in the header itself
            records[key.decode()] = value.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        if key.startswith(b"GNU.sparse."):
            records[SPARSE] = ""
        at = end
    return records
