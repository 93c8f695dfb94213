"""Which thumbnails are blurred until somebody asks to see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nemo_curator.report.words import compared, shown

_WORDS = ("nsfw", "porn", "sexual", "gore", "violence")
_COLUMN = "nsfw_score"

UNSURE = 0.5
"""Score from which on a thumbnail is blurred: there an image is as likely unsafe as safe."""


def is_sensitive_rule(name: str, expression: str) -> bool:
    """Whether a rule is about pictures that a reader may not want to meet unasked, by its name or its columns."""
    text = f"{name} {expression}".lower()
    return any(word in text for word in _WORDS)


def why_unsafe(row: Mapping[str, Any], decided: Mapping[str, Any], rules: Mapping[str, str]) -> str:
    """Why a picture is blurred, with the score and the threshold that it met; "" where it is not.

    Either a rule about such pictures rejects it, or the NSFW model thinks so, whatever became of it.

    Args:
        row: The scores of the image.
        decided: Its `verdict`, `rule`, `score` and `threshold`, as far as they are known.
        rules: Rule name to expression.
    """
    rule = decided.get("rule") or ""
    text = rules.get(rule, "")
    if decided.get("verdict") == "reject" and is_sensitive_rule(rule, text):
        met = compared(decided.get("score"), decided.get("threshold"), text)
        return f"rule {shown(rule, 40)}{': ' if met else ''}{met}"
    score = row.get(_COLUMN)
    if not isinstance(score, int | float) or not score >= UNSURE:
        return ""
    return f"{_COLUMN} {compared(score, UNSURE, '>=')}"


def sensitive_columns(names: Iterable[str]) -> list[str]:
    """Those of some columns by which an image is found to be sensitive."""
    return [name for name in names if name == _COLUMN]
