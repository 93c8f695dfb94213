"""What a page may weigh, whatever the run holds: texts have a share, and pictures have what all else leaves.

Everything else has a bound where it is chosen: the numbers of `sampling`, the points of `ground`, the lists of
`assembling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nemo_curator.report.content import Page
from nemo_curator.report.data import embedded
from nemo_curator.report.figure import Figure
from nemo_curator.report.thumbnails import LEFT_OUT

MOST_PAGE = 14_900_000
"""Bytes of a page at most: it is promised to stay under 15 MB."""

MOST_TEXTS = 2_000_000
"""Bytes of the scores that are texts, of all images together."""

_INSTEAD = 100  # bytes of what stands where a picture was


def briefer(figures: Mapping[int, Figure], most: int = MOST_TEXTS) -> dict[int, Figure]:
    """Figures whose scores that are texts weigh so much together at most; each says how many it left out.

    Args:
        figures: Figures.
        most: Bytes as they stand in the page.
    """
    each = most // max(1, len(figures))
    return {at: replace(one, scores=_within(one.scores, each)) for at, one in figures.items()}


def _within(scores: Sequence[tuple[str, str]], most: int) -> tuple[tuple[str, str], ...]:
    taken = 0
    for at, score in enumerate(scores):
        taken += len(embedded(score).encode())
        if taken > most:
            return (*scores[:at], (f"{len(scores) - at} more", LEFT_OUT))
    return tuple(scores)


def lighter(page: Page, excess: int) -> Page:
    """A page without as many of its least important pictures as weigh so much.

    Args:
        page: Its figures stand in the order of their importance.
        excess: Bytes to be saved.
    """
    figures = dict(page.figures)
    for position in reversed(list(page.figures)):
        if excess <= 0:
            break
        figure = figures[position]
        if figure.picture:
            figures[position] = replace(figure, picture="", missing=LEFT_OUT, shape=(0, 0))
            excess -= len(figure.picture) - _INSTEAD
    return replace(page, figures=figures)
