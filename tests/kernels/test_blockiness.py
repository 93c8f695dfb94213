from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from nemo_curator.kernels.blockiness import blockiness
from nemo_curator.kernels.luma import luma

GREY = npst.arrays(np.uint8, st.tuples(st.integers(1, 60), st.integers(1, 60)))


def as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """The pixels after they were a JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="session")
def clean() -> dict[str, np.ndarray]:
    """Photographs and textures that were never a JPEG."""
    data = pytest.importorskip("skimage.data")
    names = ("astronaut", "coffee", "chelsea", "brick", "grass", "gravel", "camera")
    pictures = {name: getattr(data, name)() for name in names}
    return {name: one if one.ndim == 3 else np.repeat(one[..., None], 3, 2) for name, one in pictures.items()}


@pytest.fixture(scope="session")
def screenshot() -> np.ndarray:
    """A window with frames, lines of letters and a column of icons on a grid of 20 pixels."""
    picture = np.full((300, 400), 245, np.uint8)
    picture[:24] = 60
    picture[40:280, 12:14] = 120
    picture[40:280, 300] = 180
    letters = np.random.default_rng(0).integers(0, 2, (12, 9, 250), dtype=np.uint8)
    for line, dots in enumerate(letters):
        picture[44 + 20 * line : 53 + 20 * line, 30:280] = np.where(dots, 20, 245)
        picture[44 + 20 * line : 58 + 20 * line, 320:334] = 90
    return picture


@given(GREY)
def test_range_and_mirrors(grey):
    """From one pixel up it is 0 to 255 levels, and the same left to right; upside down too where its rows are odd."""
    figure = blockiness(grey)
    assert 0 <= figure <= 255
    assert blockiness(np.ascontiguousarray(grey[:, ::-1])) == figure
    if len(grey) % 2:  # every second row counts, and these are the same rows
        assert blockiness(np.ascontiguousarray(grey[::-1])) == pytest.approx(figure)


def test_a_grid_is_measured_in_levels():
    """Blocks of eight that differ by 10 levels from their neighbours are 10 levels."""
    checks = np.indices((12, 12)).sum(axis=0) % 2 * 10 + 100
    assert blockiness(checks.astype(np.uint8).repeat(8, 0).repeat(8, 1)) == pytest.approx(10)


@pytest.mark.parametrize("shift", [(0, 0), (3, 5), (7, 1)])
def test_the_place_of_the_grid_does_not_matter(clean, shift):
    """A crop moves the grid, and a quarter turn turns it; both are found as before."""
    for name, pixels in clean.items():
        blocky = as_jpeg(pixels, 15)[: 8 * 40, : 8 * 36]
        whole = blockiness(luma(blocky))
        moved = luma(np.ascontiguousarray(blocky[shift[0] :, shift[1] :]))
        assert blockiness(moved) == pytest.approx(whole, rel=0.25), name
        assert blockiness(np.ascontiguousarray(np.rot90(moved))) == pytest.approx(whole, rel=0.25), name


def test_a_bad_jpeg_saved_well_still_shows(clean):
    """Saved again at quality 98 it keeps its blocks; a picture saved once at 98 has none."""
    for name, pixels in clean.items():
        never, well = blockiness(luma(pixels)), blockiness(luma(as_jpeg(pixels, 98)))
        badly = blockiness(luma(as_jpeg(pixels, 20)))
        again = blockiness(luma(as_jpeg(as_jpeg(pixels, 20), 98)))
        assert never < 0.8, name
        assert well < 0.8, name
        assert badly > 1.2, name
        assert again == pytest.approx(badly, rel=0.25), name


def test_worse_quality_is_higher(clean):
    """Photographs at qualities 90, 50, 25 and 10."""
    for name in ("astronaut", "coffee", "chelsea"):
        figures = [blockiness(luma(as_jpeg(clean[name], quality))) for quality in (90, 50, 25, 10)]
        assert figures == sorted(figures), name


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 6, 7])
def test_pixels_repeated_are_no_jpeg(clean, factor):
    """Pixel art and nearest-neighbour enlargement have edges on other grids, or on more places of this one."""
    for name in ("astronaut", "coffee", "chelsea"):
        small = luma(clean[name])[::factor, ::factor]
        art = np.ascontiguousarray(small.repeat(factor, 0).repeat(factor, 1)[:256, :256])
        real = blockiness(luma(as_jpeg(clean[name], 10)))
        assert blockiness(art) < real / 2, (name, factor)


def test_a_screenshot_is_no_jpeg(screenshot):
    """Straight lines, letters and icons are no grid of eight; as a bad JPEG the same window is."""
    assert blockiness(screenshot) < 0.3
    assert blockiness(as_jpeg(screenshot, 10)) > 2


def test_noise_and_small_pictures_have_no_blocks():
    """Noise of 20 levels stays below 0.8 levels; with less than 40 pixels a side there is no evidence."""
    noisy = np.random.default_rng(1).normal(128, 20, (256, 256)).clip(0, 255).astype(np.uint8)
    assert blockiness(noisy) < 0.8
    blocks = (np.indices((4, 4)).sum(axis=0) % 2 * 200).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    assert blockiness(blocks) == 0


def test_one_axis_is_enough():
    """A strip too low for lines between rows is judged by those between columns."""
    strip = (np.arange(12) % 2 * 40).astype(np.uint8).repeat(8)[None].repeat(10, 0)
    assert blockiness(strip) == pytest.approx(40)
    assert blockiness(np.ascontiguousarray(strip.T)) == pytest.approx(40)
