"""Which thumbnails are blurred until somebody asks to see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_WORDS = ("nsfw", "porn", "sexual", "gore", "violence")
_COLUMN = "nsfw_score"

UNSURE = 0.5
"""Score from which on a thumbnail is blurred: there an image is as likely unsafe as safe."""


def is_sensitive_rule(name: str, expression: str) -> bool:
    """Whether a rule is about pictures that a reader may not want to meet unasked, by its name or its columns."""
    text = f"{name} {expression}".lower()
    return any(word in text for word in _WORDS)


def is_sensitive_image(row: Mapping[str, Any]) -> bool:
    """Whether the NSFW model thinks so of an image, whatever became of it."""
    score = row.get(_COLUMN)
    return isinstance(score, int | float) and score >= UNSURE


def sensitive_columns(names: Iterable[str]) -> list[str]:
    """Those of some columns by which an image is found to be sensitive."""
    return [name for name in names if name == _COLUMN]
