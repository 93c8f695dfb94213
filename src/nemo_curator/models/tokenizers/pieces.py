"""A text cut into the pieces that CLIP's tokenizer looks at one by one: words, single digits, runs of other signs.

The steps are those of the tokenizer that `transformers` has for CLIP: Unicode's composed form (NFC), any white space is
one space, small letters without regard to their neighbours, then the pieces; spaces themselves are no piece. The
original tokenizer of OpenAI (A. Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021) repairs broken encodings and HTML entities first, and typographic quotes with them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

START = "<|startoftext|>"
"""Written in a text, in letters of any case, this stands for the mark of its beginning."""

END = "<|endoftext|>"
"""Written in a text, in small letters, this stands for the mark of its end."""

RUNS = 80
"""Runs of characters between white space that are looked at; each gives a token or more, and 75 tokens are wanted."""

LOOKED_AT = 1 << 17
"""Characters of these runs that are looked at."""

_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
_PIECE = re.compile(r"<\|endoftext\|>|'(?:s|t|re|ve|m|ll|d)|[^\W_]+|(?:[^\w ]|_)+")

# What Unicode moves or joins since its version 10; `transformers` composes by the tables of version 9, of 2016.
_LATER = re.compile(
    "([\u05c8\u05c9\u07fd\u0897-\u089f\u08ca-\u08d3\u09fe\u0c3c\u0d3b\u0d3c\u0eba\u1715\u1abf-\u1af0\u1df6-\u1dfa\ua82c"
    "\U00010d24-\U00010d27\U00010d69-\U00010d6d\U00010eab\U00010eac\U00010ecb-\U00010ecf\U00010ef0-\U00010efb"
    "\U00010efd-\U00010eff\U00010f46-\U00010f50\U00010f82-\U00010f85\U00011070\U0001133b\U000113ce-\U000113d0\U0001145e"
    "\U00011839\U0001183a\U00011930\U0001193d\U0001193e\U00011943\U000119e0\U00011a34\U00011a47\U00011a99\U00011d42"
    "\U00011d44\U00011d45\U00011d97\U00011f41\U00011f42\U0001612f\U00016ff0\U00016ff1\U0001d127\U0001d128"
    "\U0001d250-\U0001d252\U0001d25b\U0001d25c\U0001d25f\U0001d280\U0001d281\U0001e08f\U0001e130-\U0001e136\U0001e2ae"
    "\U0001e2ec-\U0001e2ef\U0001e4ec-\U0001e4ef\U0001e5ee\U0001e5ef\U0001e6e3\U0001e6e6\U0001e6ee\U0001e6ef\U0001e6f5])"
)
_LONG = 1_000  # characters; shorter texts are composed in a millisecond, whatever they hold
_DOUBLE_MARKS = {0x0F73: "\u0f71\u0f72", 0x0F75: "\u0f71\u0f74", 0x0F81: "\u0f71\u0f80"}  # always taken apart by NFC


def pieces(text: str) -> Iterator[str]:
    """The pieces at the beginning of a text in order, made as they are asked for.

    Args:
        text: Any text; what is not looked at, by `RUNS` and `LOOKED_AT`, costs next to nothing.

    Yields:
        Non-empty pieces in small letters, none of which has white space; `START` and `END` stand for those marks
        alone.
    """
    # white space first, which commutes with everything else here, so that all else has something short to work on
    beginning = " ".join(_SPACE.split(text, RUNS)[:RUNS])[:LOOKED_AT]
    for index, part in enumerate(beginning.split(END)):
        if index:
            yield END
        for later, words in enumerate(_normalised(part).split(START)):
            if later:
                yield START
            yield from _cut(words)


def _normalised(text: str) -> str:
    if not text.isascii():
        text = "".join(map(_composed, _LATER.split(text)))
    # Python alone knows that a sigma at the end of a word has another form
    return text.replace("\u03a3", "\u03c3").lower()


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", _in_order(text) if len(text) > _LONG else text)


def _in_order(text: str) -> str:
    """The same text with its combining marks in the order that NFC gives them.

    Python puts them in order one by one, which takes the square of their number, and a text may be all marks.
    """
    runs = groupby(text.translate(_DOUBLE_MARKS), lambda one: unicodedata.combining(one) > 0)
    return "".join("".join(sorted(run, key=unicodedata.combining) if marks else run) for marks, run in runs)


def _cut(text: str) -> Iterator[str]:
    for match in _PIECE.finditer(text):
        piece = match.group()
        if piece == END:  # it was written in capitals, and then means nothing
            yield from ("<|", "endoftext", "|>")
        elif piece.isalpha() or not piece[0].isalnum():
            yield piece
        else:
            for letters, run in groupby(piece, str.isalpha):
                found = "".join(run)
                yield from (found,) if letters else found
