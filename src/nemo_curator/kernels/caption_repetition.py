"""How much of a caption says again what it said before.

Web pages stuff keywords ("shoes men shoes women shoes") and templates stutter. Rae et al. ("Scaling Language Models:
Methods, Analysis & Insights from Training Gopher", 2021, table A1) measure that in documents as the share of
characters in repeated sequences of two to ten words. A caption is too short for that: here a long word that comes
again counts alone, because long words carry the subject; short ones ("a", "of", "de", ideographs) count in pairs.
"""

from __future__ import annotations

import re

from nemo_curator.kernels.caption_words import Caption

_LONG = 4  # letters; words of fewer are mostly articles and prepositions, which any sentence repeats
_RUN = re.compile(r"(\S)\1{3,}")  # one to three equal characters in a row are spelling: "www", "..."
_SPELT = 3


def repetition(caption: Caption) -> float:
    """The share of characters, white space and what takes no room apart, that repeat what stood before.

    A character repeats when its word has four letters or more and was there before, when its word and a neighbour were
    there before in that order, or when it is the fourth or later of a run of equal characters. Case does not matter.

    Args:
        caption: A caption, taken apart.

    Returns:
        0.0 (nothing) to less than 1.0.
    """
    if not caption.room:
        return 0.0
    repeated = bytearray(len(caption.text))
    _mark_words(repeated, caption)
    _mark_runs(repeated, caption)
    return repeated.count(1) / caption.room


def _mark_words(repeated: bytearray, caption: Caption) -> None:
    """Mark the characters of words that were there before."""
    known: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    before, before_span = "", (0, 0)
    for word, (start, end) in zip(caption.words, caption.spans, strict=True):
        if (before, word) in pairs:
            _mark(repeated, *before_span)
            _mark(repeated, start, end)
        elif end - start >= _LONG and word in known:
            _mark(repeated, start, end)
        if before:
            pairs.add((before, word))
        known.add(word)
        before, before_span = word, (start, end)


def _mark_runs(repeated: bytearray, caption: Caption) -> None:
    """Mark the characters beyond the third of a run."""
    for run in _RUN.finditer(caption.text):
        if caption.kinds[run.start()] not in " i":
            _mark(repeated, run.start() + _SPELT, run.end())


def _mark(repeated: bytearray, start: int, end: int) -> None:
    repeated[start:end] = bytes([1]) * (end - start)
