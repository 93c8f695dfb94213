"""Damaged files from whole ones: pure functions of bytes and a number, so that a number is a reproducer.

`mutant(seeds, number)` is the one door; a number gives the same bytes wherever the same libraries wrote the seeds.
What knows nothing of formats stands here; edits of lengths, sizes and fields that a decoder believes stand in
`format_edits`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.codecs.format_edits import format_edit

LONGEST = 200_000
"""Bytes of a mutant at most."""

_BYTES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)
_LENGTHS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_HEAD = 600  # fields that decide stand near the front

Edit = Callable[[bytes, Random], bytes]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file, and how it came to be.

    Attributes:
        number: What makes it again.
        seed: Name of the file that it was.
        how: Names of what was done to it, in order.
        data: Its bytes.
    """

    number: int
    seed: str
    how: tuple[str, ...]
    data: bytes


def mutant(seeds: Mapping[str, bytes], number: int) -> Mutant:
    """The mutant of a number: one seed, and one to four edits.

    Args:
        seeds: Name to bytes; their order matters.
        number: 0 or more. Neighbours have nothing in common.
    """
    random = Random(number)  # noqa: S311 (it must be the same every time)
    names = list(seeds)
    name = names[random.randrange(len(names))]
    data, how = seeds[name], []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = random.choice(_KINDS)
        how.append(kind)
        if kind == "splice":
            data = spliced(data, seeds[names[random.randrange(len(names))]], random)
        else:
            data = EDITS[kind](data, random)
    return Mutant(number, name, tuple(how), data[:LONGEST])


def bit_flips(data: bytes, random: Random) -> bytes:
    """One to eight bits the other way round."""
    edited = bytearray(data)
    for _ in range(random.randint(1, 8) if edited else 0):
        edited[_place(edited, random)] ^= 1 << random.randrange(8)
    return bytes(edited)


def byte_values(data: bytes, random: Random) -> bytes:
    """One to eight bytes set to values at the borders of signed and unsigned."""
    edited = bytearray(data)
    for _ in range(random.randint(1, 8) if edited else 0):
        edited[_place(edited, random)] = random.choice((*_BYTES, random.randrange(256)))
    return bytes(edited)


def length_values(data: bytes, random: Random) -> bytes:
    """A number of two, three, four or eight bytes, in either order, set to one that lengths and sizes break at."""
    width = random.choice((2, 2, 3, 4, 4, 4, 8))
    if len(data) < width:
        return data
    value = random.choice((*_LENGTHS, len(data), len(data) - 1, 20_000, 65_535, 2**64 - 1)) % 256**width
    at = min(_place(data, random), len(data) - width)
    return data[:at] + value.to_bytes(width, random.choice(("big", "little"))) + data[at + width :]


def cut(data: bytes, random: Random) -> bytes:
    """The front alone, of any length."""
    return data[: random.randint(0, len(data))] if random.random() < 0.7 else data[: _place(data, random)]


def deleted(data: bytes, random: Random) -> bytes:
    """A stretch left out."""
    at = _place(data, random)
    return data[:at] + data[at + random.choice((1, 2, 4, random.randint(1, 64), random.randint(1, 2000))) :]


def inserted(data: bytes, random: Random) -> bytes:
    """Bytes put between: any, or the same one many times."""
    at, length = _place(data, random), random.choice((1, 2, 4, random.randint(1, 64), random.randint(1, 3000)))
    new = random.randbytes(length) if random.random() < 0.5 else bytes([random.choice(_BYTES)]) * length
    return data[:at] + new + data[at:]


def repeated(data: bytes, random: Random) -> bytes:
    """A stretch that stands there again, once or many times, at its own place or another."""
    at, length = _place(data, random), random.randint(1, 400)
    block = data[at : at + length] * random.choice((1, 1, 1, 2, 30))
    to = at + length if random.random() < 0.5 else _place(data, random)
    return data[:to] + block + data[to:]


def swapped(data: bytes, random: Random) -> bytes:
    """Two stretches in each other's place."""
    first, second = sorted((_place(data, random), _place(data, random)))
    length = min(random.randint(1, 200), second - first)
    one, two = data[first : first + length], data[second : second + length]
    return data[:first] + two + data[first + length : second] + one + data[second + length :]


def overwritten(data: bytes, random: Random) -> bytes:
    """A stretch of noise, or of nothing, in place of what was there."""
    at = _place(data, random)
    length = min(random.choice((16, random.randint(1, 64), random.randint(1, 1500))), len(data) - at)
    return data[:at] + (random.randbytes(length) if random.random() < 0.6 else bytes(length)) + data[at + length :]


def spliced(data: bytes, other: bytes, random: Random) -> bytes:
    """The head of one file before the tail of another."""
    return data[: _place(data, random)] + other[_place(other, random) :]


def _place(data: bytes | bytearray, random: Random) -> int:
    """A position; in half of the cases one near the front."""
    end = min(len(data), _HEAD) if random.random() < 0.5 else len(data)
    return random.randrange(end) if end else 0


EDITS: dict[str, Edit] = {
    "bit flips": bit_flips,
    "byte values": byte_values,
    "length values": length_values,
    "cut": cut,
    "deleted": deleted,
    "inserted": inserted,
    "repeated": repeated,
    "swapped": swapped,
    "overwritten": overwritten,
    "format": format_edit,
}
"""Name to edit, without the one that takes two files."""

_KINDS = (*EDITS, "splice", "format", "format", "format", "format", "format", "bit flips")
