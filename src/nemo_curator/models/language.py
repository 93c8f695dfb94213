"""Which language a short text is in, by the model that the package `py3langid` ships.

The model is a naive Bayes classifier over byte sequences (M. Lui and T. Baldwin, "langid.py: An Off-the-shelf Language
Identification Tool", ACL 2012), trained again for 139 languages by A. Barbaresi (BSD-3-Clause). The package finds
the sequences; the sum is taken here, in double precision and in one order: the package's own matrix product
in single precision gives other last digits on another processor.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

LOOKED_AT = 1_000
"""Characters at the beginning of a text that are looked at; a language shows within a sentence or two."""

UNDETERMINED = "und"
"""ISO 639-2's code for a language that was not determined."""

LANGUAGES = (
    "am", "ar", "az", "be", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fr", "gu",
    "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "km", "kn", "ko", "lo", "lt", "lv", "mk", "ml",
    "mn", "mr", "ms", "my", "ne", "nl", "no", "or", "pa", "pl", "pt", "ro", "ru", "si", "sk", "sl", "sq", "sr", "sv",
    "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
"""The languages that are told apart by default: those that much of the web is written in. Each further candidate is
one more to mistake a short caption for, so rare ones are asked for by name."""


class LanguageModel:
    """Tells the language of a text among some.

    Args:
        languages: ISO 639 codes, of those in `known_languages()`.

    Raises:
        ValueError: The model does not know one of them, or there are none.
    """

    def __init__(self, languages: Iterable[str] = LANGUAGES) -> None:
        chosen = set(languages)
        unknown = sorted(chosen - set(known_languages()))
        if unknown or not chosen:
            raise ValueError(
                f"the language model does not know {', '.join(map(repr, unknown)) or 'a language without a name'}; "
                f"it knows {', '.join(known_languages())}"
            )
        self._automaton = _tables()
        columns = [index for index, code in enumerate(self._automaton.nb_classes) if code in chosen]
        self._codes = [self._automaton.nb_classes[index] for index in columns]
        # float16: exact in the doubles that are summed
        self._weights = np.ascontiguousarray(self._automaton.nb_ptc[:, columns])
        self._prior = self._automaton.nb_pc[columns].astype(np.float64)
        self._rows = [row << 8 for row in self._automaton.tk_row]

    def __call__(self, text: str) -> tuple[str, float]:
        """The likeliest language of a text and how likely it is.

        Args:
            text: Any text; its first `LOOKED_AT` characters are looked at. Case does not matter.

        Returns:
            ISO 639 code and probability (0 to 1) among the model's languages; `UNDETERMINED` and 0.0 where the text
            has nothing that tells one language from another.
        """
        from py3langid.langid import visit_counts  # noqa: PLC0415  loaded by whoever asks for a language

        lowered = unicodedata.normalize("NFC", text[:LOOKED_AT].lower())
        encoded = lowered.encode("utf-8", "surrogatepass")
        found = visit_counts(self._automaton.tk_nextmove, self._rows, self._automaton.tk_output, encoded)
        if not found:
            return UNDETERMINED, 0.0
        # sorted, and added row by row: the same sum on every machine
        features = sorted(found)
        often = np.array([[math.log1p(found[feature])] for feature in features])
        scores = ((often * self._weights[features]).sum(axis=0) + self._prior).tolist()
        best = max(scores)
        # the root of the length keeps the probabilities of short and long texts honest, as in the package
        spread = math.sqrt(len(encoded))
        odds: dict[str, float] = {}  # a language may have a column for each of its scripts
        for code, score in zip(self._codes, scores, strict=True):
            odds[code] = odds.get(code, 0.0) + math.exp((score - best) / spread)
        code = max(odds, key=odds.__getitem__)
        return code, round(odds[code] / math.fsum(odds.values()), 6)


def known_languages() -> list[str]:
    """The codes of all languages that the model knows, sorted."""
    return sorted(set(_tables().nb_classes) - {"zxx"})  # "no linguistic content" is no language


@cache
def _tables() -> Any:
    """The package's model, read once a process: NumPy arrays without pickled objects."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  loaded by whoever asks for a language

    return LanguageIdentifier.from_model_file(MODEL_FILE)
