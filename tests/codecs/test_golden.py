"""Pixels against decoders that share no code of ours; see tests/data/golden/README.md."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.codecs.golden import REFUSED, Golden, grid_of, kept, off
from tests.codecs.own_pictures import PICTURES

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError

# mean absolute difference of the blocks, in levels of 255
TOLERANCE = 1.0  # ImageMagick rounds 16 bits and alpha down, chroma is enlarged in several ways
TOLERANCES = {
    "lab.tif": 2.0,  # ImageMagick has another white
    "lab-icc.tif": 2.0,  # the formula clips what sRGB cannot show in another order than littleCMS
    "cmyk-icc.jpg": 2.0,  # libvips goes through L*a*b* in between
    "cmyk-icc.tif": 2.0,
    "cmyk-icc-jpeg.tif": 2.0,
}


def pixels_of(data: bytes) -> np.ndarray:
    """Probe and decode."""
    return decode(data, probe(data))


@pytest.mark.parametrize("name", PICTURES)
def test_own_picture_is_what_another_decoder_sees(name):
    """Every kind of picture that is made here has the size and the colours that another decoder finds in it."""
    assert off(pixels_of(PICTURES[name]()), kept("own")[name]) <= TOLERANCES.get(name, TOLERANCE)


def test_every_odd_file_is_what_another_decoder_sees_or_says_why_not(odd_files):
    """Upright and right, or refused for a reason that stands here and in the documentation; there is no third."""
    golden = kept("odd")
    assert set(odd_files) == set(golden) | set(REFUSED)
    wrong = {name: off(pixels_of(odd_files[name]), golden[name]) for name in golden}
    assert {name: far for name, far in wrong.items() if far > TOLERANCE} == {}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_odd_file_says_why(odd_files, name):
    """What cannot be shown whole is one sentence about it."""
    with pytest.raises(DecodeError, match=re.escape(REFUSED[name])):
        pixels_of(odd_files[name])


def test_no_golden_value_comes_from_our_own_decoders():
    """Each value names its maker, and none is Pillow, simplejpeg or pillow-heif."""
    makers = {golden.maker for name in ("own", "odd") for golden in kept(name).values()}
    assert all(re.match(r"ImageMagick|libvips|avifdec|imagecodecs|formulas", maker) for maker in makers), makers


def test_the_comparison_notices_a_turn_a_size_and_a_colour():
    """A picture upside down, of another size or with two channels exchanged is far from itself."""
    pixels = pixels_of(PICTURES["sequential.jpg"]())
    golden = Golden("itself", pixels.shape[1::-1], np.rint(grid_of(pixels)).astype(np.uint8))
    assert off(pixels, golden) < 0.5
    assert off(pixels[::-1], golden) > 30
    assert off(pixels[..., [1, 0, 2]], golden) > 30
    assert off(pixels[:-1], golden) == float("inf")


def test_blocks_of_a_small_picture_repeat():
    """Of 2 x 1 pixels each block is one of the two."""
    grid = grid_of(np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8))
    assert grid.shape == (16, 16, 3)
    assert (grid[:, :8] == [10, 20, 30]).all()
    assert (grid[:, 8:] == [40, 50, 60]).all()
