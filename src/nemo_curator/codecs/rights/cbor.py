"""CBOR, as far as assertions need it: text, lists, maps and small numbers, in bounded work and depth.

Source: RFC 8949, section 3.
"""

from __future__ import annotations

from typing import Any

_MOST_VALUES = 5_000  # an assertion about training has some ten
_DEEPEST = 12
_INTEGER, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE, _BREAK = 31, 0xFF
_SIMPLES = {20: False, 21: True}


class _Reader:
    """One document; it counts what it reads."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.left = _MOST_VALUES

    def value(self, depth: int = 0) -> Any:
        """The next value; bytes, floats and unknown simple values are None.

        Raises:
            ValueError: It is cut, damaged, too deep, or there are too many.
        """
        self.left -= 1
        if self.left < 0 or depth > _DEEPEST:
            raise ValueError("more, or deeper, than an assertion has any need of")
        major, more = divmod(self._byte(), 32)
        if more == _INDEFINITE:
            return self._indefinite(major, depth)
        number = self._number(more)
        if major in {_LIST, _MAP, _TAG}:
            return self._nested(major, number, depth)
        if major in {_BYTES, _TEXT}:
            raw = self._take(number)
            return raw.decode("utf-8", "replace") if major == _TEXT else None
        if major == _SIMPLE:
            return _SIMPLES.get(number) if more < 25 else None
        return -1 - number if major == _NEGATIVE else number

    def _nested(self, major: int, number: int, depth: int) -> Any:
        if major == _LIST:
            return [self.value(depth + 1) for _ in self._counted(number)]
        if major == _MAP:
            return dict(self._pair(depth) for _ in self._counted(number))
        return self.value(depth + 1)  # of a tag, what it stands before

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in {_BYTES, _TEXT}:
            parts: list[Any] = []
            while not self._ended():
                parts.append(self.value(depth + 1))
            return "".join(part for part in parts if isinstance(part, str)) if major == _TEXT else None
        if major == _LIST:
            values = []
            while not self._ended():
                values.append(self.value(depth + 1))
            return values
        if major == _MAP:
            pairs = {}
            while not self._ended():
                key, value = self._pair(depth)
                pairs[key] = value
            return pairs
        raise ValueError("a value without an end")

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self.value(depth + 1)
        return (key if isinstance(key, str) else ""), self.value(depth + 1)

    def _counted(self, number: int) -> range:
        """As many turns as a list says, if the bytes left can be that many."""
        if number > len(self.data) - self.at:
            raise ValueError("a list longer than the document")
        return range(number)

    def _ended(self) -> bool:
        if self.at >= len(self.data):
            raise ValueError("cut")
        if self.data[self.at] != _BREAK:
            return False
        self.at += 1
        return True

    def _byte(self) -> int:
        return self._take(1)[0]

    def _number(self, more: int) -> int:
        if more < 24:
            return more
        if more > 27:
            raise ValueError("a length that is none")
        return int.from_bytes(self._take(1 << more - 24), "big")

    def _take(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise ValueError("cut")
        self.at += length
        return self.data[self.at - length : self.at]


def read_cbor(data: bytes) -> Any:
    """The first value of a document.

    Args:
        data: The document.

    Returns:
        Text, numbers, booleans, lists, and dictionaries whose keys are text (other keys are ""); None for all that
        assertions about rights have no use for: bytes, floats, null.

    Raises:
        ValueError: It is damaged, deeper than 12, or has more than 5,000 values.
    """
    return _Reader(data).value()
