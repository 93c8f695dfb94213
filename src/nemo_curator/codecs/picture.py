"""What decoding gives: pixels, and what there is to say about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded image.

    Attributes:
        pixels: `(H, W, 3)` uint8 RGB, upright, C-contiguous, writable.
        truncated: Whether the file ended too early and what is missing was filled (only where that is accepted).
        warnings: What decoders said about the file while they read it, in order, without repetition.
        alpha: `(H, W)` uint8, 0 transparent; only where it was asked for and some of the picture is not opaque. The
            pixels are then laid over nothing.
    """

    pixels: Pixels
    truncated: bool = False
    warnings: tuple[str, ...] = ()
    alpha: Pixels | None = None
