"""Values as people read them; text from strangers made fit to be shown.

Escaping is the template's. What is done here escaping cannot do: control characters, which HTML forbids and a
terminal obeys, and texts of any length.
"""

from __future__ import annotations

import re
import unicodedata

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ELLIPSIS = "…"
_PERCENT = "\N{NO-BREAK SPACE}%"  # no line ends between a number and its sign
_DUPLICATES = {
    "same_bytes": "its bytes are equal",
    "same_pixels": "its pixels are equal",
    "copy": "an edited copy, by PDQ hashes",
    "similar": "alike, by embeddings",
}


def shown(text: str, most: int) -> str:
    """`text` on one line, without control characters, at most `most` characters long."""
    return _cut(" ".join(printable(text[: most * 8]).split()), most)


def shown_id(text: str, most: int = 160) -> str:
    """An id: as `shown`, but spaces stay, and a long one loses its middle, because both ends tell."""
    text = printable(text)
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}{_ELLIPSIS}{text[-half:]}"


def printable(text: str) -> str:
    """`text` with every control, surrogate and text-direction character replaced; line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_REPLACEMENT if _is_unfit(char) else char for char in text)


def number(value: float | None) -> str:
    """A number with four significant digits, thousands set apart; whole numbers in full."""
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", "\N{MINUS SIGN}")
    size = abs(value)
    text = f"{value:,.0f}" if 1000 <= size < 1e15 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}")


def share(value: float) -> str:
    """A share as a percentage that never rounds something to nothing, nor almost all to all."""
    if 0.0 < value < 0.001:
        return f"< 0.1{_PERCENT}"
    if 0.999 < value < 1.0:
        return f"> 99.9{_PERCENT}"
    return f"{100 * value:.1f}".removesuffix(".0") + _PERCENT


def plural(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def amount(count: int | None) -> str:
    """Bytes in a unit that suits them; "" where nobody knows."""
    if count is None:
        return ""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,} B"


def duration(seconds: float) -> str:
    """A time as people say it: `0.46 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


_SIGNS = {"<": "<", "<=": "\N{LESS-THAN OR EQUAL TO}", ">": ">", ">=": "\N{GREATER-THAN OR EQUAL TO}"}
_COMPARISONS = re.compile(r"<>|[<>]=?")


def compared(score: float | None, threshold: float | None, rule: str = "") -> str:
    """How a score stands to its threshold, as in `12.3 < 20`; "" where there is none.

    Args:
        score: The score.
        threshold: The threshold.
        rule: Expression of the rule that compared them; where it compares once, its operator is the one that is shown.
    """
    if score is None or threshold is None:
        return ""
    left, right = number(score), number(threshold)
    if left == right and score != threshold:  # they differ in a digit that rounding took
        left, right = repr(score), repr(threshold)
    relation = "=" if score == threshold else "<" if score < threshold else ">"
    written = _COMPARISONS.findall(rule)
    said = written[0] if len(written) == 1 and relation in written[0] and written[0] in _SIGNS else relation
    return f"{left} {_SIGNS.get(said, said)} {right}"


def duplicate_words(rule: str) -> str:
    """What makes a duplicate, by the rule of its verdict."""
    return _DUPLICATES.get(rule, shown(rule, 80))


def distance_words(rule: str, distance: float | None) -> str:
    """How far a duplicate is from the image that stays, by the rule of its verdict; "" where they are equal."""
    if distance is None:
        return ""
    if rule == "copy":
        return f"{plural(int(distance), 'bit')} of 256 apart"
    return f"cosine {1 - distance:.4f}" if rule == "similar" else number(distance)


def _is_unfit(char: str) -> bool:
    if char in "\n\t":
        return False
    category = unicodedata.category(char)
    # Bidi_Control: they would reorder the text around them
    return (
        category in {"Cc", "Cs"} or char in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + _ELLIPSIS
