from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nemo_curator.kernels.borders import borders
from nemo_curator.kernels.colour import colour
from nemo_curator.kernels.contrast import dynamic_range
from nemo_curator.kernels.edges import EDGE, edge_density
from nemo_curator.kernels.exposure import exposure, points
from nemo_curator.kernels.luma import histogram
from nemo_curator.kernels.sharpness import sharpness
from nemo_curator.kernels.strips import strips

GREY = npst.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))
PICTURES = npst.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


def test_a_step_is_an_edge_at_its_two_pixels():
    """Between two halves, the pixels on either side of the line are edge: 2 of 18; a step below `EDGE` is none."""
    halves = np.zeros((22, 20), np.uint8)
    halves[:, 10:] = EDGE
    assert edge_density(halves) == pytest.approx(2 / 18)
    halves[:, 10:] = EDGE - 1
    assert edge_density(halves) == 0


def test_a_slanted_edge_counts_as_a_straight_one():
    """The length of the gradient counts, not its parts: each part is below `EDGE` here."""
    y, x = np.indices((40, 40))
    slope = np.clip((x + y - 40) * 18 + 128, 0, 255).astype(np.uint8)
    assert 0 < 2 * 18 < EDGE < 2 * 18 * 2**0.5
    assert edge_density(slope) > 0.2


@given(GREY)
def test_edges_are_the_same_left_to_right(grey):
    """A mirrored picture has the same share, 0 to 1."""
    assert 0 <= edge_density(grey) <= 1
    assert edge_density(np.ascontiguousarray(grey[:, ::-1])) == edge_density(grey)


@given(GREY)
def test_sharpness_is_the_same_left_to_right(grey):
    """A mirrored picture is as sharp, to the last bit."""
    assert sharpness(np.ascontiguousarray(grey[:, ::-1])) == sharpness(grey)


@given(GREY, st.sampled_from([4, 8, 16]))
def test_strips_are_rows_of_the_picture(grey, every):
    """At least one strip of at most four rows, each beginning at a multiple of the distance."""
    found = strips(grey, every)
    assert len(found) == max(1, len(grey) // every)
    assert found.shape[1:] == (min(4, len(grey)), grey.shape[1])
    for number, strip in enumerate(found):
        assert np.array_equal(strip, grey[every * number :][:4])


@given(PICTURES)
def test_borders_are_the_same_for_mirror_images(pixels):
    """Bars change places and stay as long."""
    found = borders(pixels)
    assert borders(pixels[::-1]) == found
    assert borders(pixels[:, ::-1]) == found


@given(GREY)
def test_points_are_levels_in_order(grey):
    """Black point at or below white point, both levels that occur, with at most one pixel in 200 beyond."""
    black, white = points(histogram(grey))
    assert black <= white
    assert black in grey
    assert white in grey
    assert np.count_nonzero(grey < black) * 200 < grey.size
    assert np.count_nonzero(grey > white) * 200 <= grey.size
    assert dynamic_range(grey) == (white - black) / 255
    measured = exposure(grey)
    assert (measured.black_point, measured.white_point) == (black / 255, white / 255)


def test_points_of_known_pictures():
    """Of 400 pixels, one at the bottom and two at the top are left aside; two and three are not."""
    grey = np.full((20, 20), 100, np.uint8)
    grey[0, 0], grey[1, :2] = 0, 255
    assert points(histogram(grey)) == (100, 100)
    grey[0, 1], grey[1, 2] = 0, 255
    assert points(histogram(grey)) == (0, 255)


@pytest.mark.parametrize("row", range(9))
def test_one_coloured_pixel_is_not_grey(row):
    """Wherever it stands, in the rows that the means are taken of or between them."""
    pixels = np.full((9, 7, 3), 90, np.uint8)
    assert colour(pixels).grey
    pixels[row, 3] = (90, 96, 90)
    assert colour(pixels).grey
    pixels[row, 3] = (90, 97, 90)
    assert not colour(pixels).grey
