"""Half-precision numbers made wider."""

from __future__ import annotations

import numpy as np

from nemo_curator.kernels.half import widen


def test_every_finite_number_keeps_its_value():
    """All 65,536 bit patterns but those of infinities and NaN become the same number, subnormal ones and -0 too."""
    half = np.arange(65_536, dtype=np.uint32).astype(np.uint16).view(np.float16)
    half = half[np.isfinite(half)].reshape(2, -1)
    wide = widen(half, np.empty(half.shape, np.float32))
    assert np.array_equal(wide.view(np.int32), half.astype(np.float32).view(np.int32))


def test_what_is_no_number_is_large():
    """Infinities and NaN become finite numbers beyond any of half precision, as the documentation says."""
    half = np.array([np.inf, -np.inf, np.nan], np.float16)
    wide = widen(half, np.empty(3, np.float32))
    assert np.isfinite(wide).all()
    assert (np.abs(wide) >= 65_536).all()
