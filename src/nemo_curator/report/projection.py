"""A map of embeddings: the plane in which they differ most, by principal components.

The components come from NumPy's symmetric eigensolver. A component has no sign of its own, so its largest weight is
made positive, and the same embeddings always give the same map. Of many rows some hundred, evenly chosen, say where it
lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_DIGITS = 4
_FITTED = 600  # rows that the plane is found from; the solver's time grows with their cube


@dataclass(frozen=True, slots=True)
class Plane:
    """Where embeddings lie in a plane.

    Attributes:
        places: `(N, 2)` float64; NaN for a row without a direction.
        shares: Share of the whole variance that each of the two directions has.
    """

    places: npt.NDArray[np.float64]
    shares: tuple[float, float]


def plane_of(rows: npt.NDArray[np.float32]) -> Plane | None:
    """Project embeddings onto their first two principal components.

    Args:
        rows: `(N, D)`; a row of zeros has no direction and is left out.

    Returns:
        The plane; None where fewer than three rows have a direction, or all lie in one place.
    """
    there = np.isfinite(rows).all(axis=1) & (np.abs(rows).max(axis=1, initial=0.0) > 0)
    if np.count_nonzero(there) < 3:
        return None
    fitted = rows[np.flatnonzero(there)[:: max(1, -(-np.count_nonzero(there) // _FITTED))]].astype(np.float64)
    middle = fitted.mean(axis=0)
    some = fitted - middle
    tall = len(some) > some.shape[1]
    weights, vectors = np.linalg.eigh(some.T @ some if tall else some @ some.T)
    whole = float(weights.clip(0).sum())
    if whole <= 1e-12 * len(some):
        return None
    first = vectors[:, ::-1][:, :2] if tall else some.T @ vectors[:, ::-1][:, :2]
    first /= np.maximum(np.linalg.norm(first, axis=0), 1e-300)
    first *= np.where(np.take_along_axis(first, np.abs(first).argmax(axis=0)[None], axis=0) < 0, -1.0, 1.0)
    places = np.full((len(rows), 2), np.nan)
    found = np.zeros((np.count_nonzero(there), 2))
    found[:, : first.shape[1]] = (rows[there].astype(np.float64) - middle) @ first
    places[there] = found.round(_DIGITS)
    shares = [float(max(0.0, one) / whole) for one in (*weights[::-1][:2], 0.0)][:2]
    return Plane(places, (shares[0], shares[1]))
