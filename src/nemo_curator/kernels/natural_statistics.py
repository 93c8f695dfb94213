"""How the brightness of a picture is distributed once local mean and contrast are taken out of it.

In photographs that nothing has harmed, the result looks much the same whatever they show; damage changes it in ways of
its own. Source: A. Mittal, A. K. Moorthy, A. C. Bovik, "No-Reference Image Quality Assessment in the Spatial Domain",
IEEE Transactions on Image Processing 21(12), 2012, section III; the generalised Gaussian is fitted as in K. Sharifi,
A. Leon-Garcia, 1995, the asymmetric one as in N.-E. Lasmar, Y. Stitou, Y. Berthoumieu, 2009.

Everything is one IEEE operation after another, without BLAS, and sums have one order: the same bits on every machine
but for the logarithm of the gamma function, which comes from its C library.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

FEATURES = 18
"""Numbers that `features` gives for one scale."""

Floats = npt.NDArray[np.float64]

_REACH = 3
_SIGMA = 7 / 6
# uniform areas: what the variance of nothing but rounding is lifted by, so that all machines agree on it
_EPSILON = float(np.finfo(np.float32).eps)
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (-1, 1))  # (down, right): beside, below, and on both diagonals
_STRIP = 1 << 15  # values worked on at a time, so that they stay in the processor's cache


def mscn(luma: npt.NDArray[Any]) -> Floats:
    """Mean-subtracted contrast-normalised coefficients: each pixel less its local mean, over its local deviation + 1.

    Local means a Gaussian of 7 x 7 pixels with sigma 7/6; beyond the edges all is 0.

    Args:
        luma: `(H, W)` brightness from 0 to 255, not empty.

    Returns:
        `(H, W)` float64; of photographs within about -5 to 5, and 0 on average.
    """
    height, width = luma.shape
    padded = np.zeros((height + 2 * _REACH, width))
    padded[_REACH:-_REACH] = luma
    out = np.empty((height, width))
    rows = _rows(height, width)
    squares = np.empty((rows + 2 * _REACH, width))
    blurred_down = np.zeros((rows, width + 2 * _REACH))
    means, deviations, scratch = np.empty((3, rows, width))
    for top in range(0, height, rows):
        count = min(rows, height - top)
        strip = padded[top : top + count + 2 * _REACH]
        mean, deviation, spare = means[:count], deviations[:count], scratch[:count]
        _blur(strip, blurred_down[:count], mean, spare)
        square = np.multiply(strip, strip, out=squares[: len(strip)])
        _blur(square, blurred_down[:count], deviation, spare)
        deviation -= np.multiply(mean, mean, out=spare)
        np.abs(deviation, out=deviation)
        deviation += _EPSILON
        np.sqrt(deviation, out=deviation)
        deviation += 1.0
        part = np.subtract(strip[_REACH:-_REACH], mean, out=out[top : top + count])
        part /= deviation
    return out


def features(luma: npt.NDArray[Any]) -> Floats:
    """The 18 numbers that describe one scale of a picture.

    Args:
        luma: `(H, W)` brightness from 0 to 255, not empty.

    Returns:
        `(18,)` float64: shape and variance of the coefficients; then, for the products of neighbours beside each other,
        above each other and on either diagonal, shape, mean, variance on the left of 0 and on the right. Neighbours
        over the edge are those at the opposite one. Where all is 0, as in a black picture, the distribution counts as
        the narrowest there is: shape 0.2, the rest 0.
    """
    coefficients = mscn(luma)
    sums = _sums(coefficients)
    found = [*_symmetric(sums[0], coefficients.size)]
    for one in sums[1:]:
        found += _asymmetric(one, coefficients.size)
    return np.array(found)


def _sums(coefficients: Floats) -> list[list[float]]:
    """Sums over the coefficients, then over their products with each neighbour.

    Of each: how many are below 0, how many above, the sum of magnitudes, of squares below 0, and of squares above.
    """
    height, width = coefficients.shape
    # a row more on both sides and a column more on the left, from the opposite edges
    around = np.empty((height + 2, width + 1))
    around[1:-1, 1:] = coefficients
    around[1:-1, 0] = coefficients[:, -1]
    around[0], around[-1] = around[-2], around[1]
    rows = _rows(height, width)
    products, scratch = np.empty((2, rows, width))
    totals = [[0.0] * 5 for _ in range(1 + len(_NEIGHBOURS))]
    for top in range(0, height, rows):
        count = min(rows, height - top)
        part, product, spare = coefficients[top : top + count], products[:count], scratch[:count]
        _add_sums(totals[0], part, spare)
        for total, (down, right) in zip(totals[1:], _NEIGHBOURS, strict=True):
            first = 1 + top - down
            np.multiply(part, around[first : first + count, 1 - right : 1 - right + width], out=product)
            _add_sums(total, product, spare)
    return totals


def _add_sums(total: list[float], values: Floats, scratch: Floats) -> None:
    """Add the sums of `values` to `total`."""
    total[0] += float(np.count_nonzero(values < 0))
    total[1] += float(np.count_nonzero(values > 0))
    np.abs(values, out=scratch)
    total[2] += float(scratch.sum())
    scratch *= values
    signed = float(scratch.sum())
    squares = float(np.multiply(values, values, out=scratch).sum())
    total[3] += max(0.0, squares - signed) / 2
    total[4] += max(0.0, squares + signed) / 2


def _symmetric(sums: list[float], count: int) -> tuple[float, float]:
    """Shape and variance of the generalised Gaussian of mean 0."""
    _, _, magnitudes, below, above = sums
    variance, magnitude = (below + above) / count, magnitudes / count
    if not magnitude * magnitude:
        return _shapes()[0], 0.0
    return _nearest(_ratios()[0], variance / (magnitude * magnitude)), variance


def _asymmetric(sums: list[float], count: int) -> tuple[float, float, float, float]:
    """Shape, mean, left and right variance of the asymmetric generalised Gaussian with its mode at 0."""
    count_below, count_above, magnitudes, below, above = sums
    left = math.sqrt(below / count_below) if count_below else 0.0
    right = math.sqrt(above / count_above) if count_above else 0.0
    both = (left * left + right * right) ** 2
    if not both:
        return _shapes()[0], 0.0, 0.0, 0.0
    ratio = (magnitudes / count) ** 2 / ((below + above) / count)
    ratio *= (left**3 + right**3) * (left + right) / both
    shape = _nearest(_ratios()[1], ratio)
    spread = math.exp(math.lgamma(2 / shape) - (math.lgamma(1 / shape) + math.lgamma(3 / shape)) / 2)
    return shape, (right - left) * spread, left * left, right * right


def _blur(source: Floats, down: Floats, out: Floats, scratch: Floats) -> None:
    """Blur down, then across.

    Args:
        source: `(H + 6, W)`.
        down: `(H, W + 6)` to work in, with zeros in its outer columns.
        out: `(H, W)`, the result.
        scratch: `(H, W)` to work in.
    """
    height, width = out.shape
    _weighted([source[row : row + height] for row in range(7)], down[:, _REACH:-_REACH], scratch)
    _weighted([down[:, column : column + width] for column in range(7)], out, scratch)


def _weighted(parts: list[Floats], out: Floats, scratch: Floats) -> None:
    """Seven equal parts weighted and added, from the middle outwards."""
    weights = _gaussian()
    np.multiply(parts[_REACH], weights[0], out=out)
    for distance in range(1, _REACH + 1):
        np.add(parts[_REACH - distance], parts[_REACH + distance], out=scratch)
        np.multiply(scratch, weights[distance], out=scratch)
        out += scratch


@cache
def _gaussian() -> tuple[float, ...]:
    """Weights of the middle and of distances 1 to 3.

    Rounded to float32, as the regressor of BRISQUE is used with. They add up to a hair less than 1, and that decides
    on which side of 0 the coefficients of uniform areas fall.
    """
    weights = [math.exp(-(distance**2) / (2 * _SIGMA**2)) for distance in range(_REACH + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    return tuple(float(np.float32(weight / total)) for weight in weights)


@cache
def _shapes() -> tuple[float, ...]:
    """The shapes to choose from: 0.2 to 10 by 0.001, as the authors' software has them."""
    return tuple(thousandths / 1000 for thousandths in range(200, 10_001))


@cache
def _ratios() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """For each shape, variance over squared mean magnitude, and that upside down.

    float32 as the reference has it: for a ratio in the middle between two shapes, rounding decides.
    """
    logarithms = [math.lgamma(1 / s) + math.lgamma(3 / s) - 2 * math.lgamma(2 / s) for s in _shapes()]
    ratios = [math.exp(logarithm) for logarithm in logarithms]
    return np.array(ratios, np.float32), np.array([1 / ratio for ratio in ratios], np.float32)


def _nearest(ratios: npt.NDArray[np.float32], ratio: float) -> float:
    return _shapes()[int(np.abs(ratios - np.float32(ratio)).argmin())]


def _rows(height: int, width: int) -> int:
    return min(height, max(1, _STRIP // width))
