"""Half-precision numbers made wider, several times faster than NumPy does it.

NumPy 2 converts one number at a time; here whole arrays are shifted into place, which every processor does in wide
steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# sign, then three bits that the wider exponent has more, which stay 0
_KEPT = np.int32(-0x70000001)
# the exponents of the two types begin 112 apart
_SCALE = np.float32(2.0**112)


def widen(half: npt.NDArray[np.float16], out: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The same numbers in single precision, exactly.

    Infinities and NaN, which embeddings do not have, become finite numbers of 65,536 and more.

    Source: IEEE 754-2008, 3.4: binary16 and binary32 differ in the widths of exponent and fraction alone; a subnormal
    number of the first, shifted, is one of the second, and is made normal by the multiplication.

    Args:
        half: Any shape.
        out: As many numbers in the same shape, C-contiguous; overwritten.

    Returns:
        `out`.
    """
    bits = out.view(np.int32)
    np.copyto(bits, half.view(np.int16))
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _KEPT, out=bits)
    return np.multiply(out, _SCALE, out=out)
