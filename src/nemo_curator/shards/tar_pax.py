"""The records of a PAX extended header: `<length> <key>=<value>` and a newline, one after another."""

from __future__ import annotations

_LONGEST_LENGTH = 20  # digits; more is no length


class PaxError(ValueError):
    """The bytes are not PAX records."""


def pax_records(body: bytes) -> dict[str, str]:
    """The records that bear on where a member lies and what it is called.

    Args:
        body: The data of a PAX header, without its padding.

    Returns:
        `path`, `linkpath`, `size` and `GNU.sparse.*`, as far as they are there. Bytes that are not UTF-8 become
        surrogates, whatever `hdrcharset` says.

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
        if key in {b"path", b"linkpath", b"size"} or key.startswith(b"GNU.sparse."):
            # a name ends at a zero byte, here as in the header itself
            text = value.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            records[key.decode("utf-8", "surrogateescape")] = text
        at = end
    return records
