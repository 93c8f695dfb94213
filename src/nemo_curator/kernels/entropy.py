"""How much information the brightness of a pixel carries.

Source: C. E. Shannon, "A Mathematical Theory of Communication", 1948.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.luma import histogram as count


def entropy(luma: npt.NDArray[np.uint8], histogram: npt.NDArray[np.int64] | None = None) -> float:
    """Shannon entropy of the histogram of brightness.

    Args:
        luma: `(H, W)` uint8, not empty.
        histogram: Of that luma, where it is there already.

    Returns:
        Bits a pixel, 0.0 (one level) to 8.0 (all levels equally often); photographs have 6.5 to 7.8.
    """
    counts = count(luma) if histogram is None else histogram
    present: list[int] = counts[counts > 0].tolist()
    pixels = sum(present)
    # Python's log2 and exact sum: NumPy's vectorised logarithm differs in the last bit from one processor to another
    return max(0.0, -math.fsum(n / pixels * math.log2(n / pixels) for n in present))
