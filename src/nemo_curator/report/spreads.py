"""How the values of one axis lie: counts that are exact wherever the page asks for one. Pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.report.axes import Axis
from nemo_curator.report.stops import is_wide, log_stops, round_stops

Floats = npt.NDArray[np.float64]

SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Which quantiles the page tells."""

_BARS = 60
_OUTER = 0.001  # a share of the values at either end that does not stretch the chart
_LARGEST = 1e300  # beyond it the ends of a range are no numbers any more: such values lie outside of every chart
_STRETCH = 1.5  # how much wider it would have to become for them


@dataclass(frozen=True, slots=True)
class Most:
    """How many points are told of one axis at most.

    Attributes:
        stops: Of many different values.
        every: So many different values are all told.
    """

    stops: int
    every: int


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one axis.

    Attributes:
        numbers: `(N,)`, of the readable images that have one.
        positions: `(N,)`, whose they are.
        kept: `(N,)`, whether the image is kept.
        missing: Readable images without one.
        kept_missing: Kept images without one.
    """

    numbers: Floats
    positions: npt.NDArray[np.int64]
    kept: npt.NDArray[np.bool_]
    missing: int
    kept_missing: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many values lie below some points.

    Attributes:
        below: So many are smaller, of each point.
        upto: So many are not larger.
    """

    below: tuple[int, ...]
    upto: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """What the page says of one axis.

    Attributes:
        axis: The axis.
        count: Readable images with a value.
        missing: Readable images without.
        kept: Kept images with a value.
        kept_missing: Kept images without.
        quantiles: As `SHARES` says, each a value that some image has; empty where there is none.
        whole: Whether all values are whole numbers.
        logarithmic: Whether a logarithmic scale shows them better.
        edges: Ends of the bars.
        bars: Images in each bar.
        bars_kept: Kept images in each bar.
        outside: Images left and right of the bars.
        every: Whether the points are all values that there are, so that any threshold can be counted.
        points: Ascending numbers.
        counts: Of all readable images, at each point.
        kept_counts: Of those that are kept.
        stops: Where the slider stops; all of them are points unless `every`.
    """

    axis: Axis
    count: int
    missing: int
    kept: int = 0
    kept_missing: int = 0
    quantiles: tuple[float, ...] = ()
    whole: bool = False
    logarithmic: bool = False
    edges: tuple[float, ...] = ()
    bars: tuple[int, ...] = ()
    bars_kept: tuple[int, ...] = ()
    outside: tuple[int, int] = (0, 0)
    every: bool = True
    points: tuple[float, ...] = ()
    counts: Counts = Counts((), ())
    kept_counts: Counts = Counts((), ())
    stops: tuple[float, ...] = ()

    @property
    def marks(self) -> tuple[float, ...]:
        """Where the quantiles of 5, 50 and 95 % stand between minimum (0) and maximum (100); empty without width."""
        if not self.quantiles or not 0.0 < (width := self.quantiles[-1] - self.quantiles[0]) < np.inf:
            return ()
        inner = (self.quantiles[1], self.quantiles[3], self.quantiles[5])
        return tuple(round(100.0 * (value - self.quantiles[0]) / width, 2) for value in inner)


def spread_of(axis: Axis, values: Values, most: Most) -> Spread:
    """How values lie.

    Args:
        axis: Whose they are.
        values: The values.
        most: So many points are told.
    """
    if not len(values.numbers):
        return Spread(axis, 0, values.missing)
    ordered = np.sort(values.numbers)  # NaN last, which DuckDB holds for the largest number too
    ordered_kept = np.sort(values.numbers[values.kept])
    quantiles = _quantiles(ordered[~np.isnan(ordered)])
    finite = ordered[np.abs(ordered) <= _LARGEST]
    whole = bool(len(finite)) and bool((finite == np.floor(finite)).all())
    wide = bool(len(finite)) and is_wide(quantiles[1], quantiles[5]) and quantiles[0] > 0
    stops = _stops(finite, axis, most.stops, whole=whole, wide=wide)
    different = _different(ordered, most.every)
    points = np.array(stops, np.float64) if different is None else different
    edges = _edges(finite, whole=whole, wide=wide)
    bars = _bars(ordered, edges)
    return Spread(
        axis,
        len(ordered),
        values.missing,
        len(ordered_kept),
        values.kept_missing,
        quantiles,
        whole,
        wide,
        tuple(edges.tolist()),
        bars,
        _bars(ordered_kept, edges),
        _outside(ordered, edges),
        different is not None,
        tuple(points.tolist()),
        _counts(ordered, points),
        _counts(ordered_kept, points),
        stops,
    )


def nearest(values: Values, threshold: float, count: int) -> tuple[list[int], list[int]]:
    """Positions of the images just below a threshold and of those at it or just above, the nearest first.

    Equal values are in source order.
    """
    below = values.numbers < threshold
    return (
        _first(-values.numbers[below], values.positions[below], count),
        _first(values.numbers[~below], values.positions[~below], count),
    )


def ends(values: Values, count: int) -> tuple[list[int], list[int]]:
    """Positions of the images with the smallest and the largest values, the outermost first, ties in source order."""
    return (
        _first(values.numbers, values.positions, count),
        _first(-values.numbers, values.positions, count),
    )


def kept_only(values: Values) -> Values:
    """The same of kept images alone."""
    kept = values.kept
    return Values(values.numbers[kept], values.positions[kept], kept[kept], values.kept_missing, values.kept_missing)


def _quantiles(known: Floats) -> tuple[float, ...]:
    if not len(known):
        return ()
    return tuple(float(one) for one in np.quantile(known, SHARES, method="inverted_cdf"))


def _first(numbers: Floats, positions: npt.NDArray[np.int64], count: int) -> list[int]:
    if len(numbers) > count:
        last = np.partition(numbers, count - 1)[count - 1]
        near = numbers <= last
        numbers, positions = numbers[near], positions[near]
    return [int(one) for one in positions[np.lexsort((positions, numbers))[:count]]]


def _different(ordered: Floats, most: int) -> Floats | None:
    """All different values; None where there are too many to tell."""
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if np.count_nonzero(new) > most or not np.isfinite(ordered).all():
        return None
    return np.asarray(ordered[new], np.float64)


def _stops(finite: Floats, axis: Axis, most: int, *, whole: bool, wide: bool) -> tuple[float, ...]:
    """Round numbers over the range, the recipe's own thresholds, and the ends where the range does not reach them."""
    own = {one.value for one in axis.thresholds if np.isfinite(one.value)}
    if not len(finite):
        return tuple(sorted(own)) or (0.0,)
    low, high = _inner(finite)
    found = (log_stops if wide else round_stops)(low, high, most, whole=whole)
    outer = {one for one in (float(finite[0]), float(finite[-1])) if not found[0] <= one <= found[-1]}
    return tuple(sorted({*found, *own, *outer}))


def _inner(finite: Floats) -> tuple[float, float]:
    """The range that the chart shows: without the outermost values where these would stretch it."""
    low, high = float(finite[0]), float(finite[-1])
    inner = np.quantile(finite, (_OUTER, 1 - _OUTER), method="inverted_cdf")
    if high - low > _STRETCH * (inner[1] - inner[0]) > 0:
        return float(inner[0]), float(inner[1])
    return low, high


def _edges(finite: Floats, *, whole: bool, wide: bool) -> Floats:
    if not len(finite):
        return np.empty(0)
    low, high = _inner(finite)
    if whole and high - low < _BARS:
        return np.arange(low - 0.5, high + 1, 1.0)
    if low == high:
        pad = abs(low) * 0.05 or 0.5
        return np.array([low - pad, high + pad])
    edges = np.geomspace(low, high, _BARS + 1) if wide else np.linspace(low, high, _BARS + 1)
    edges[0], edges[-1] = low, high
    return np.asarray(np.unique(edges))


def _bars(ordered: Floats, edges: Floats) -> tuple[int, ...]:
    """Values from each edge up to the next one, the last bar with its upper end."""
    if not len(edges):
        return ()
    places = np.searchsorted(ordered, edges, "left")
    places[-1] = np.searchsorted(ordered, edges[-1], "right")
    return tuple(int(one) for one in np.diff(places))


def _outside(ordered: Floats, edges: Floats) -> tuple[int, int]:
    if not len(edges):
        return 0, 0
    left, right = np.searchsorted(ordered, edges[0], "left"), np.searchsorted(ordered, edges[-1], "right")
    return int(left), int(len(ordered) - right)


def _counts(ordered: Floats, points: Floats | Any) -> Counts:
    below, upto = np.searchsorted(ordered, points, "left"), np.searchsorted(ordered, points, "right")
    return Counts(tuple(below.tolist()), tuple(upto.tolist()))
