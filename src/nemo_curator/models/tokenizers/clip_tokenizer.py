"""CLIP's tokenizer: texts to rows of 77 numbers, equal to those of the tokenizer that `transformers` has for CLIP.

The 48,894 pairs of its vocabulary are data of this package (NOTICE says whose they are), because no package that is
fit to depend on carries them, and because all CLIP models of the registry have the same. The steps are written here
because a library for them would be a dependency of thirty megabytes with a client for a model hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.models.tokenizers.merging import FIRST, Merging
from nemo_curator.models.tokenizers.pieces import END, START, pieces
from nemo_curator.models.weights import read_safetensors, verify_sha256

LENGTH = 77
"""Numbers of a text, with those of its beginning and end."""

VOCABULARY = 49_408
"""How many tokens there are."""

BEGINNING = VOCABULARY - 2
"""The token that begins every text."""

ENDING = VOCABULARY - 1
"""The token that ends every text, and fills the row behind it."""

SHA256 = "50495cd9028cb02de613de254047f7bddb9a967287e51e33642d4187a5e50d53"
"""Of the file with the pairs."""

_FILE = Path(__file__).parents[1] / "data" / "clip_merges.safetensors"
_VERSION = 1  # raised when a text gets other numbers than before
_MARKS = {START: BEGINNING, END: ENDING}


class ClipTokenizer:
    """Numbers of texts; what it costs is bounded, whatever a text holds."""

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """The rows that a text tower takes.

        Args:
            texts: Any texts; the first 75 tokens of each count.

        Returns:
            int64 `(N, 77)`: `BEGINNING`, the tokens, and `ENDING` to the end of the row.
        """
        rows = np.full((len(texts), LENGTH), ENDING, np.int64)
        for row, text in zip(rows, texts, strict=True):
            tokens = self.tokens(text)
            row[: len(tokens)] = tokens
        return rows

    def tokens(self, text: str) -> list[int]:
        """The tokens of one text between `BEGINNING` and `ENDING`, at most 77 with them.

        A text that itself holds `ENDING` (written `<|endoftext|>`) has tokens behind it, which no tower looks at.
        """
        return [BEGINNING, *self._read(text)[: LENGTH - 2], ENDING]

    def fits(self, text: str) -> bool:
        """Whether all tokens of a text count."""
        return len(self._read(text)) <= LENGTH - 2

    def _read(self, text: str) -> list[int]:
        """The tokens of a text's beginning, one more than count where there are more."""
        merging = _merging()
        tokens: list[int] = []
        for piece in pieces(text):
            mark = _MARKS.get(piece)
            tokens += merging(piece) if mark is None else [mark]
            if len(tokens) > LENGTH - 2:
                break
        return tokens


def provenance() -> dict[str, Any]:
    """What the numbers of a text depend on, besides the version of Unicode that Python knows; plain data."""
    return {"name": "clip-bpe", "pairs": SHA256, "version": _VERSION}


@cache
def _merging() -> Merging:
    """The pairs, read once in a process.

    Raises:
        WeightsNotFoundError: The file is not where the package has it.
        WeightsError: It is not the file that is pinned.
    """
    verify_sha256(_FILE, SHA256)
    pairs = read_safetensors(_FILE)["merges"]
    assert len(pairs) == VOCABULARY - 2 - FIRST  # noqa: S101  the pinned file has them
    return Merging(pairs)
