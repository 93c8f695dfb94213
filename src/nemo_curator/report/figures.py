"""Rows to figures: an image with its words, and a thumbnail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nemo_curator.report.figure import Figure
from nemo_curator.report.samples import Row
from nemo_curator.report.sensitive import why_unsafe
from nemo_curator.report.thumbnails import Thumbnail
from nemo_curator.report.words import amount, compared, number, shown, shown_id

_CAPTION = 160
_MOST_SCORES = 100  # twice as many as all of ours


class Gallery:
    """Makes figures of chosen inputs.

    Args:
        rows: Position to part row.
        decided: Position to row of the decisions, for those that have one to tell.
        rules: Rule name to expression.
        scores: Names of the score columns.
        thumbnails: Position to thumbnail, of every row that has no error.
        captions: Characters of a caption at most.
    """

    def __init__(
        self,
        rows: Mapping[int, Row],
        decided: Mapping[int, Row],
        rules: Mapping[str, str],
        scores: Sequence[str],
        thumbnails: Mapping[int, Thumbnail],
        captions: int = _CAPTION,
    ) -> None:
        self._rows = rows
        self._decided = decided
        self._rules = rules
        self._scores = scores[:_MOST_SCORES]
        self._captions = captions
        self._thumbnails = thumbnails

    def figure(self, position: int) -> Figure:
        """The figure of one input."""
        row, decided = self._rows[position], self._decided.get(position, {})
        thumbnail = self._thumbnails[position]
        rule = decided.get("rule") or ""
        return Figure(
            image_id=shown_id(row["image_id"]),
            caption=shown(row["caption"], self._captions),
            size=f"{row['width']:,} \N{MULTIPLICATION SIGN} {row['height']:,}" if row["width"] else "",
            compared=compared(decided.get("score"), decided.get("threshold"), self._rules.get(rule, "")),
            picture=thumbnail.uri,
            missing=shown(thumbnail.missing, 160),
            shape=thumbnail.shape,
            unsafe=why_unsafe(row, decided, self._rules),
            scores=tuple((name, _value(row.get(name))) for name in self._scores),
            source=shown_id(row.get("source") or ""),
            kind=", ".join(filter(None, (row.get("format") or "", amount(row.get("bytes"))))),
            duplicate_of=shown_id(decided.get("duplicate_of") or ""),
        )


def _value(value: Any) -> str:
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if isinstance(value, int | float) else shown(str(value), 80)
