"""The words of a caption, in every script, in one pass.

Each character becomes one letter that says what kind of character it is; words are then found among those letters by
one pattern. Sources: Unicode general categories, and Unicode Standard Annex 29 ("Unicode Text Segmentation") for
scripts that write no spaces: an ideograph or hiragana is a word, a run of katakana is a word. The annex leaves Thai,
Lao, Burmese and Khmer to a dictionary; here four characters of them are a word, about what a word is there.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LOOKED_AT = 10_000
"""Characters at the beginning of a caption that are looked at, so that the longest cost no more than a page of text."""

_IDEOGRAPHS = (
    (0x3005, 0x3007), (0x3040, 0x309F), (0x3100, 0x312F), (0x31A0, 0x31BF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip  # with hiragana and bopomofo
_KATAKANA = ((0x30A0, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F))
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))  # Thai, Lao, Burmese, Khmer
_INVISIBLE = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))  # variation selectors, which follow emoji too
_SCRIPTS = [
    *((one, "h") for one in _IDEOGRAPHS),
    *((one, "k") for one in _KATAKANA),
    *((one, "t") for one in _UNSPACED),
]
_KEPT = 0x10000  # kinds of characters below it are remembered: a bounded table

_WORD = re.compile(
    r"[ad](?:[adm]|[q_](?=[ad])|(?<=d)\.(?=d))*"  # letters and digits, and what joins them: can't, t-shirt, 19.99
    r"|hm*|k[km]*|t[tm]{0,3}"
)


class _Kinds(dict[int, str]):
    """Code point to kind, found out when first asked.

    `a` letter, `d` digit, `m` mark on what stands before it, `h` ideograph, `k` katakana, `t` letter of a script
    without spaces, `q` apostrophe, `_` hyphen or underscore, `.` stop or comma, `p` other punctuation, `s` symbol,
    space, `i` what takes no room: formats, controls, variation selectors, lone surrogates.
    """

    def __missing__(self, code: int) -> str:
        kind = _kind(code)
        if code < _KEPT:
            self[code] = kind
        return kind


@dataclass(frozen=True, slots=True)
class Caption:
    """The beginning of a caption, taken apart.

    Attributes:
        text: At most `LOOKED_AT` characters.
        kinds: What kind each of them is, in letters; of the same length.
        spans: Where each word begins and ends.
        words: The words, in small letters.
    """

    text: str
    kinds: str
    spans: tuple[tuple[int, int], ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Caption:
        """A caption taken apart, in a time that grows with its length and is bounded."""
        text = text[:LOOKED_AT]
        kinds = text.translate(_KINDS)
        spans = tuple(match.span() for match in _WORD.finditer(kinds))
        return cls(text, kinds, spans, tuple(text[start:end].casefold() for start, end in spans))

    @property
    def room(self) -> int:
        """Characters that take room: no white space, no controls."""
        return len(self.kinds) - self.kinds.count(" ") - self.kinds.count("i")

    @property
    def alphanumeric_share(self) -> float:
        """The share of letters and digits, with their marks, among the characters that take room.

        0.0 to 1.0; 0.0 where no character takes room. Sentences have 0.95 to 1.
        """
        other = sum(self.kinds.count(kind) for kind in "q_.ps")
        return (self.room - other) / self.room if self.room else 0.0


def _kind(code: int) -> str:  # noqa: PLR0911 (one return a kind)
    character = chr(code)
    category = unicodedata.category(character)
    if character.isspace():
        return " "
    if _within(code, _INVISIBLE):
        return "i"
    if category[0] in "LM" or category == "Nl":
        script = next((kind for bounds, kind in _SCRIPTS if bounds[0] <= code <= bounds[1]), None)
        if category == "Me":  # a keycap is no letter's accent
            return "s"
        return script or ("m" if category[0] == "M" else "a")
    if category[0] == "N":
        return "d"
    if category[0] == "C":  # private use takes room, the others do not
        return "s" if category == "Co" else "i"
    if category[0] in "SZ":
        return "s"
    return _PUNCTUATION.get(character) or ("_" if category in {"Pc", "Pd"} else "p")


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)


_PUNCTUATION = {"'": "q", "\N{RIGHT SINGLE QUOTATION MARK}": "q", ".": ".", ",": "."}
_KINDS = _Kinds()
