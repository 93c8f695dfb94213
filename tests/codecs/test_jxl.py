"""JPEG XL, where the extra `jxl` is installed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError
from nemo_curator.testing import photo

imagecodecs = pytest.importorskip("imagecodecs", reason="JPEG XL needs the extra jxl")


def decoded(data: bytes, options: DecodeOptions = DecodeOptions()):  # noqa: B008 (frozen)
    """Probe and decode, with what every result promises."""
    header = probe(data)
    assert header.format == "jxl"
    pixels = read_picture(data, header, options=options).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    return pixels


def test_lossless_colour_is_exact():
    """What was stored comes back bit for bit."""
    pixels = photo(1, 61, 43)
    assert np.array_equal(decoded(imagecodecs.jpegxl_encode(pixels, lossless=True)), pixels)


def test_grey_becomes_rgb():
    """One channel becomes three equal ones."""
    grey = photo(2, 40, 30)[..., 0]
    assert np.array_equal(
        decoded(imagecodecs.jpegxl_encode(grey, lossless=True)), np.repeat(grey[..., None], 3, axis=2)
    )


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_shows_the_background(channels):
    """Transparent pixels show the background, opaque ones themselves."""
    pixels = np.random.default_rng(3).integers(0, 256, (20, 24, channels), np.uint8)
    pixels[:10, :, -1], pixels[10:, :, -1] = 0, 255
    out = decoded(imagecodecs.jpegxl_encode(pixels, lossless=True), DecodeOptions(background=(9, 8, 7)))
    assert (out[:10] == (9, 8, 7)).all()
    assert np.array_equal(out[10:], np.broadcast_to(pixels[10:, :, : channels - 1], (10, 24, 3)))


def test_sixteen_bits_are_rounded():
    """16 bits come down to the nearest of 256 levels."""
    pixels = np.random.default_rng(4).integers(0, 65_536, (15, 16, 3), np.uint16)
    assert np.array_equal(decoded(imagecodecs.jpegxl_encode(pixels, lossless=True)), np.round(pixels / 257))


@pytest.mark.parametrize("depth", [4, 6, 10, 12, 14])
def test_any_depth_fills_the_scale(depth):
    """White is white and half is half at any depth."""
    most = (1 << depth) - 1
    kind = np.uint16 if depth > 8 else np.uint8
    pixels = np.zeros((2, 3, 3), kind)
    pixels[:, 1], pixels[:, 2] = most // 2, most
    out = decoded(imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=depth))
    assert np.abs(out[0, :, 0].astype(int) - [0, round(255 * (most // 2) / most), 255]).max() <= 1


def test_floats_are_scaled():
    """0 to 1 becomes 0 to 255."""
    pixels = np.linspace(0, 1, 48, dtype=np.float32).reshape(4, 4, 3)
    out = decoded(imagecodecs.jpegxl_encode(pixels, lossless=True))
    assert np.abs(out - pixels * 255).max() <= 1


def test_the_first_frame_of_an_animation():
    """Only the first frame is decoded."""
    frames = np.stack([photo(at, 30, 20) for at in range(3)])
    assert np.array_equal(decoded(imagecodecs.jpegxl_encode(frames, lossless=True)), frames[0])


def test_a_cut_file_is_refused():
    """Truncated at any place, it is one sentence."""
    data = imagecodecs.jpegxl_encode(photo(5, 200, 100))
    for end in range(30, len(data) - 1, len(data) // 7):
        with pytest.raises(DecodeError):
            decoded(data[:end])


def test_without_the_package_it_says_which_extra():
    """The record of a JPEG XL names what to install, and the run goes on."""
    code = """
import sys
sys.modules["imagecodecs"] = None
from nemo_curator.codecs.jxl import jxl_pixels
from nemo_curator.errors import DecodeError
try:
    jxl_pixels(b"", 8, (0, 0, 0))
except DecodeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "no decoder for jxl" in done.stdout
    assert "pip install 'imagecurator[jxl]'" in done.stdout
