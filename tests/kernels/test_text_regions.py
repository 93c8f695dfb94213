from __future__ import annotations

import numpy as np
import pytest

from nemo_curator.kernels.text_regions import GROWTH, SURE, TALLEST, text_regions


def canvas(*cores: tuple[int, int, int, int, float], side: int = 200) -> np.ndarray:
    """A map of probabilities with level cores: left, top, right, bottom (both within), probability."""
    drawn = np.zeros((side, side), np.float32)
    for left, top, right, bottom, probability in cores:
        drawn[top : bottom + 1, left : right + 1] = probability
    return drawn


def test_a_core_is_grown_back_by_its_area_over_its_perimeter():
    """The box around a level core lies as far out on all sides as the rule says."""
    corners, scores = text_regions(canvas((20, 50, 119, 58, 0.9)), 200)
    wide, high = 100, 9  # as thickened by one pixel, seen from centre to centre
    distance = GROWTH * wide * high / (2 * (wide + high))
    assert corners.shape == (1, 4, 2)
    assert corners[0].min(axis=0) == pytest.approx((20.5 - distance, 50.5 - distance))
    assert corners[0].max(axis=0) == pytest.approx((120.5 + distance, 59.5 + distance))
    assert 0.7 < scores[0] <= 0.9  # the thickened edge is not as sure


def test_a_turned_line_has_a_turned_box():
    """A line at 45 degrees gets a box along it, much smaller than the level one around it."""
    y, x = np.mgrid[:200, :200]
    drawn = np.where((abs(x - y) <= 6) & (x + y >= 100) & (x + y <= 300), 0.9, 0.0).astype(np.float32)
    (box,), _ = text_regions(drawn, 200)
    sides = sorted(np.linalg.norm(np.diff(box[:3], axis=0), axis=1))
    assert sides[0] < 30
    assert sides[1] > 130


def test_lines_are_apart_and_in_reading_order():
    """Two lines are two boxes, the upper first."""
    corners, _ = text_regions(canvas((20, 90, 90, 98, 0.9), (20, 40, 90, 48, 0.9)), 200)
    assert len(corners) == 2
    assert corners[0][:, 1].mean() < corners[1][:, 1].mean()


def test_what_is_too_small_too_tall_or_unsure_is_no_text():
    """Specks, a blob taller than a quarter of the picture's side, and a core of low mean are left out."""
    assert len(text_regions(canvas((50, 50, 51, 51, 0.99)), 200)[0]) == 0
    assert len(text_regions(canvas((10, 50, 190, 150, 0.99)), 200)[0]) == 0
    assert len(text_regions(canvas((20, 50, 119, 60, SURE - 0.05)), 200)[0]) == 0
    assert len(text_regions(canvas((20, 50, 119, 60, 0.29)), 200)[0]) == 0


def test_the_limit_of_height_is_of_the_picture_not_of_the_map():
    """A line counts or not by the shorter side of the picture that was shown, not by the padding."""
    core = canvas((20, 50, 119, 58, 0.9))
    height = 9 + 2 * GROWTH * 900 / 218
    assert len(text_regions(core, int(height / TALLEST) + 1)[0]) == 1
    assert len(text_regions(core, int(height / TALLEST) - 1)[0]) == 0


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_an_empty_and_a_full_map_hold_no_text(fill):
    """Nothing, or one box as large as the picture, is the answer `none`, in the same shape."""
    corners, scores = text_regions(np.full((32, 64), fill, np.float32), 32)
    assert corners.shape == (0, 4, 2)
    assert scores.shape == (0,)
