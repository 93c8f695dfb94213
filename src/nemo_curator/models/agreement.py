"""How far a model in a lower precision agrees with itself in full precision, and whether that is far enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST_COSINE = 0.999
"""Every embedding must have at least this cosine to the one in full precision."""

MOST_DRIFT = 0.02
"""Every score, also of a head, must be within this share of the scale's length of the one in full precision."""

MOST_CHANGED = 0.01
"""Share of images that may change sides at a threshold, as the mean over all thresholds that tell images apart."""

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found on a sample of images.

    Attributes:
        images: How many there were.
        cosine: The least cosine of an embedding to that in full precision; 1 for a model that gives scores.
        drift: The largest difference of a score, be it a head's, as a share of its scale.
        changed: Name of each head, or of the model itself where it gives scores, to the share of images that change
            sides, as `changed_sides` has it.
    """

    images: int
    cosine: float = 1.0
    drift: float = 0.0
    changed: Mapping[str, float] = field(default_factory=dict)

    @property
    def enough(self) -> bool:
        """Whether the lower precision may stand in for the full one."""
        few = all(share <= MOST_CHANGED for share in self.changed.values())
        return self.images > 0 and self.cosine >= LEAST_COSINE and self.drift <= MOST_DRIFT and few

    def facts(self) -> dict[str, Any]:
        """The figures as plain data."""
        shares = {name: round(share, 4) for name, share in self.changed.items()}
        return {
            "images": self.images,
            "cosine": round(self.cosine, 6),
            "drift": round(self.drift, 6),
            "changed": shares,
            "enough": self.enough,
        }


def of_embeddings(full: Rows, low: Rows, heads: Mapping[str, tuple[Rows, Rows, float]]) -> Agreement:
    """Compare embeddings, and the scores that heads give for them.

    Args:
        full: `(N, D)` of unit norm, in full precision.
        low: The same in the lower one.
        heads: Name of each head to its scores `(N,)` for `full` and for `low`, and the length of its scale.
    """
    cosines = np.einsum("nd,nd->n", full.astype(np.float64), low.astype(np.float64))
    changed = {name: changed_sides(before, after) for name, (before, after, _) in heads.items()}
    drift = max((_drift(*scores) for scores in heads.values()), default=0.0)
    return Agreement(len(full), float(_least(cosines)), drift, changed)


def of_scores(full: Rows, low: Rows, scale: float, name: str) -> Agreement:
    """Compare scores.

    Args:
        full: `(N,)`, in full precision.
        low: The same in the lower one.
        scale: Length of the scale.
        name: What the scores are called.
    """
    return Agreement(len(full), 1.0, _drift(full, low, scale), {name: changed_sides(full, low)})


def changed_sides(full: Rows, low: Rows) -> float:
    """The share of images that a threshold tells apart otherwise in the lower precision.

    It is the mean over all thresholds that tell the images apart: the middles between neighbours in full precision.

    Args:
        full: `(N,)` scores in full precision.
        low: The same in the lower one.
    """
    ordered = np.unique(full.astype(np.float64))
    middles = (ordered[1:] + ordered[:-1]) / 2
    if not len(middles):
        return 0.0
    return float(((full[:, None] >= middles) != (low[:, None] >= middles)).mean())


def _drift(full: Rows, low: Rows, scale: float) -> float:
    """The largest difference as a share of the scale; infinite where one is no number."""
    drift = np.abs(full.astype(np.float64) - low).max(initial=0.0) / scale
    return float(drift if np.isfinite(drift) else np.inf)


def _least(values: npt.NDArray[np.float64]) -> float:
    """The least of some numbers; NaN counts as the worst there is."""
    return float(np.where(np.isfinite(values), values, -1.0).min(initial=1.0))
