"""Figures and strangers' text, for people."""

from __future__ import annotations


def amount(count: int) -> str:
    """Bytes in a unit that suits them."""
    if count < 1e5:  # of these 0.0 MB says nothing
        return counted(count, "byte") if count < 1000 else f"{count / 1e3:,.1f} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"


def shown(text: object) -> str:
    """Text with control characters shown, not obeyed: names of files are strangers' text."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(text))


def counted(count: int, noun: str) -> str:
    """A number of things, in words: `1 file`, `2 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
