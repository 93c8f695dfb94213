from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.kernels.rectangles import covered_share, share_of_picture, signed_area, smallest_rectangle

POINTS = st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), min_size=1, max_size=30)


def level(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Corners of a level rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def test_the_smallest_rectangle_of_a_turned_one_is_it():
    """Points of a rectangle that lies at an angle give its sides, not those of the level box around it."""
    found = smallest_rectangle(np.array([(0, 0), (12, 16), (4, 22), (-8, 6)]))
    assert sorted(2 * side for side in found.half) == pytest.approx([10, 20])
    assert (found.x, found.y) == pytest.approx((2, 11))
    assert found.shorter == pytest.approx(10)


@pytest.mark.parametrize(("points", "sides"), [([(3, 4)], (0, 0)), ([(0, 0), (3, 4)], (0, 5)),
                                               ([(1, 1), (2, 2), (5, 5)], (0, 32**0.5))])  # fmt: skip
def test_points_and_lines_are_rectangles_without_area(points, sides):
    """One point, two, or several on a line are no error."""
    found = smallest_rectangle(np.array(points))
    assert sorted(2 * side for side in found.half) == pytest.approx(sides)


@given(POINTS)
def test_every_point_is_inside_and_no_level_box_is_smaller(points):
    """The rectangle holds its points, and is no larger than the level one."""
    found = smallest_rectangle(np.array(points))
    (u, v), (a, b) = found.along, found.half
    assert u * u + v * v == pytest.approx(1)
    for x, y in points:
        assert abs((x - found.x) * u + (y - found.y) * v) <= a + 1e-6
        assert abs((y - found.y) * u - (x - found.x) * v) <= b + 1e-6
    wide, high = np.ptp(np.array(points), axis=0)
    assert 4 * a * b <= wide * high + 1e-6


def test_growing_moves_all_sides():
    """A rectangle grown by one is two longer and two wider, around the same centre."""
    found = smallest_rectangle(np.array([(0, 0), (10, 0), (10, 4), (0, 4)])).grown(1)
    assert abs(signed_area(found.corners())) == pytest.approx(12 * 6)
    assert found.corners().mean(axis=0) == pytest.approx((5, 2))


def test_shares_count_only_what_lies_in_the_picture():
    """A polygon that reaches over the edge counts with its part; one outside counts nothing; a huge one counts all."""
    assert share_of_picture(level(-5, -5, 5, 5), 10, 10) == pytest.approx(0.25)
    assert share_of_picture(level(20, 0, 30, 10), 10, 10) == 0
    assert share_of_picture(level(-100, -100, 100, 100), 10, 20) == 1
    assert share_of_picture(np.array([(5, 0), (10, 5), (5, 10), (0, 5)], float), 10, 10) == pytest.approx(0.5)
    assert share_of_picture(level(2, 2, 2, 8), 10, 10) == 0


def test_what_two_polygons_cover_counts_once():
    """The covered share is that of the union, whichever way the corners go round."""
    one = level(0, 0, 6, 10)
    assert covered_share(np.array([one, one[::-1]]), 10, 10) == pytest.approx(0.6)
    assert covered_share(np.array([one, level(4, 0, 8, 10)]), 10, 10) == pytest.approx(0.8)
    assert covered_share(np.empty((0, 4, 2)), 10, 10) == 0
    assert covered_share(np.array([level(-9, -9, -1, -1), level(50, 50, 60, 60)]), 10, 10) == 0


@given(st.lists(st.floats(-30, 60), min_size=4, max_size=4))
def test_both_shares_agree_on_one_box(edges):
    """Counting pixels and measuring area differ by a row and a column of pixels at most."""
    left, right, top, bottom = *sorted(edges[:2]), *sorted(edges[2:])
    box = level(left, top, right, bottom)
    exact = share_of_picture(box, 30, 40)
    assert 0 <= exact <= 1
    assert covered_share(box[None], 30, 40) == pytest.approx(exact, abs=1 / 30 + 1 / 40)
