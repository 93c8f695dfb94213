from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.formula import numbers

from nemo_curator.models.towers.positions import resampled


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize(("known", "side"), [(37, 16), (37, 36), (5, 9), (16, 37), (9, 1), (2, 3)])
def test_torch_is_met(known, side, antialias):
    """Positions for a smaller or larger grid are those of PyTorch's bicubic `interpolate`, where it is installed."""
    torch = pytest.importorskip("torch", reason="torch is for parity only")
    positions = numbers(known * known, 6, scale=2.0)
    grid = torch.from_numpy(positions).reshape(1, known, known, 6).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(
        grid, size=(side, side), mode="bicubic", align_corners=False, antialias=antialias
    )
    expected = expected.permute(0, 2, 3, 1).reshape(side * side, 6).numpy()
    np.testing.assert_allclose(resampled(positions, side, antialias=antialias), expected, rtol=0, atol=2e-5)


@given(known=st.integers(1, 40), side=st.integers(1, 40), antialias=st.booleans())
def test_what_is_the_same_everywhere_stays_so(known, side, antialias):
    """The weights of a place add up to one, whatever the grids."""
    flat = np.tile(np.array([[1.5, -2.0]], np.float32), (known * known, 1))
    made = resampled(flat, side, antialias=antialias)
    assert made.shape == (side * side, 2)
    np.testing.assert_allclose(made, np.tile(flat[:1], (side * side, 1)), atol=1e-5)


@given(side=st.integers(1, 12), antialias=st.booleans())
def test_the_same_grid_is_left_alone(side, antialias):
    """Not a bit changes where nothing is resampled."""
    positions = numbers(side * side, 3)
    assert resampled(positions, side, antialias=antialias) is positions


@given(known=st.integers(2, 20), side=st.integers(1, 20), antialias=st.booleans())
def test_a_turned_grid_gives_the_turned_result(known, side, antialias):
    """Rows and columns are resampled alike: mirroring or transposing the grid mirrors or transposes the result."""
    grid = numbers(known, known, 2, seed=3)
    plain = resampled(grid.reshape(-1, 2), side, antialias=antialias).reshape(side, side, 2)
    for turn in (lambda g: g[::-1], lambda g: g[:, ::-1], lambda g: g.transpose(1, 0, 2)):
        turned = np.ascontiguousarray(turn(grid)).reshape(-1, 2)
        made = resampled(turned, side, antialias=antialias).reshape(side, side, 2)
        np.testing.assert_allclose(made, turn(plain), atol=1e-5)
