"""Bits of a JPEG XL codestream, lowest first.

Source: ISO/IEC 18181-1, section 4.2 and annex B.
"""

from __future__ import annotations

from nemo_curator.errors import DecodeError


class Bits:
    """A reader of bits; each read past the end is a `DecodeError`.

    Attributes:
        at: Position in bits.
    """

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self.at = data, at

    def read(self, count: int) -> int:
        """The next `count` bits as a number.

        Raises:
            DecodeError: They are not all there.
        """
        end = self.at + count
        if end > 8 * len(self._data):
            raise DecodeError("the JPEG XL ends inside its header")
        word = int.from_bytes(self._data[self.at >> 3 : end + 7 >> 3], "little") >> (self.at & 7)
        self.at = end
        return word & ((1 << count) - 1)

    def flag(self) -> bool:
        """One bit."""
        return self.read(1) == 1

    def choice(self, *ways: tuple[int, int]) -> int:
        """A number in one of four ways: two bits choose (bits to read, number to add); zero bits are a constant."""
        count, offset = ways[self.read(2)]
        return self.read(count) + offset

    def enumerated(self) -> int:
        """A value of a list of names: 0, 1, or up to 81."""
        return self.choice((0, 0), (0, 1), (4, 2), (6, 18))
