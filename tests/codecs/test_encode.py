from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.encode import encode
from nemo_curator.codecs.probe import probe

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4))


def reopened(data: bytes) -> np.ndarray:
    """What Pillow, without us, reads from the file, as (H, W, C)."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def sixteen_bit(data: bytes) -> np.ndarray:
    """Our 16-bit PNG, read by the letter of the standard: one IDAT, every row filtered by Up."""
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert depth == 16
    channels = {0: 1, 4: 2, 2: 3, 6: 4}[colour]
    at = data.index(b"IDAT")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    rows = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), np.uint8).reshape(height, -1)
    assert (rows[:, 0] == 2).all()
    raw = np.ascontiguousarray(np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8))
    return raw.view(">u2").reshape(height, width, channels).astype(np.uint16)


@settings(max_examples=60)
@given(npst.arrays(np.uint8, SHAPES))
def test_eight_bit_round_trip(pixels):
    """PNG gives every 8-bit picture back bit for bit, for one to four channels."""
    data, extension = encode(pixels)
    assert extension == "png"
    assert np.array_equal(reopened(data), pixels)
    if pixels.shape[2] in {1, 3}:
        assert np.array_equal(decode(data, probe(data)), np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


@settings(max_examples=60)
@given(npst.arrays(np.uint16, SHAPES))
def test_sixteen_bit_round_trip(pixels):
    """16 bits survive too, although Pillow cannot write them in colour."""
    data, _ = encode(pixels)
    assert np.array_equal(sixteen_bit(data), pixels)
    assert decode(data, probe(data)).shape == (*pixels.shape[:2], 3)
    if pixels.shape[2] == 1:
        assert np.array_equal(reopened(data)[..., 0], pixels[..., 0])


@settings(max_examples=60)
@given(npst.arrays(np.uint8, SHAPES), st.sampled_from([np.float16, np.float32, np.float64]))
def test_floats_in_both_ranges(pixels, dtype):
    """Both k / 255 and k itself come back as k."""
    assert np.array_equal(reopened(encode((pixels / 255).astype(dtype))[0]), pixels)
    if pixels.max() > 1:
        assert np.array_equal(reopened(encode(pixels.astype(dtype))[0]), pixels)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_other_integers(dtype):
    """Wide integers are 8 bits where their values are, else 16."""
    small = np.array([[0, 7, 127]], dtype)
    assert np.array_equal(reopened(encode(small)[0])[..., 0], small)
    if np.iinfo(dtype).max > 300:
        large = np.array([[0, 300, 30_000]], dtype)
        assert np.array_equal(sixteen_bit(encode(large)[0])[..., 0], large)


def test_bool_is_black_and_white():
    """True is white."""
    assert reopened(encode(np.array([[True, False]]))[0])[..., 0].tolist() == [[255, 0]]


def test_overshoot_is_clipped():
    """What a filter pushes a little out of the range becomes the end of the range."""
    assert reopened(encode(np.array([[-0.2, 0.5, 1.0]]))[0])[..., 0].tolist() == [[0, 128, 255]]
    assert reopened(encode(np.array([[-3.0, 100.0, 259.0]]))[0])[..., 0].tolist() == [[0, 100, 255]]


def test_jpeg_on_request():
    """Opaque 8-bit pictures become JPEG 4:4:4 at quality 95; what JPEG cannot hold stays PNG."""
    y, x = np.mgrid[0:40, 0:60]
    pixels = np.stack([x * 4, y * 6, x + y], axis=-1).astype(np.uint8)
    data, extension = encode(pixels, "jpeg")
    assert (extension, probe(data).format) == ("jpg", "jpeg")
    assert np.abs(decode(data, probe(data)).astype(int) - pixels).mean() < 2
    grey, extension = encode(pixels[..., 0], "jpeg")
    assert (extension, probe(grey).mode) == ("jpg", "L")
    assert encode(np.dstack([pixels, pixels[..., :1]]), "jpeg")[1] == "png"
    assert encode(pixels.astype(np.uint16) * 200, "jpeg")[1] == "png"


def test_views_into_other_arrays():
    """Reversed, transposed and strided arrays are encoded as they look."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    for view in (pixels[::-1], pixels.swapaxes(0, 1), pixels[:, ::2], pixels[..., ::-1]):
        assert np.array_equal(reopened(encode(view)[0]), view)
        assert encode(view, "jpeg") == encode(view.copy(), "jpeg")


def test_equal_pixels_give_equal_bytes():
    """Twice the same picture, twice the same bytes."""
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    for given_pixels in (pixels, pixels.astype(np.uint16) * 257):
        assert encode(given_pixels) == encode(given_pixels.copy())


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (np.zeros((5, 0), np.uint8), "empty"),
        (np.zeros((2, 2, 5), np.uint8), "shape"),
        (np.zeros((3,), np.uint8), "shape"),
        (np.zeros((1, 2, 2, 3), np.uint8), "shape"),
        (np.array([[np.nan]]), "NaN"),
        (np.array([[np.inf, 0.0]]), "NaN"),
        (np.array([[-1, 5]]), "from -1 to 5"),
        (np.array([[70_000]]), "from 70000"),
        (np.array([[1j]]), "complex"),
        (np.array([["a"]]), "type"),
    ],
)
def test_what_is_no_picture_is_one_sentence(pixels, message):
    """Empty, misshapen, not-a-number and out-of-range arrays are refused clearly."""
    with pytest.raises(ValueError, match=message):
        encode(pixels)


def test_unknown_format():
    """Only the two formats are known."""
    with pytest.raises(ValueError, match="known: jpeg, png"):
        encode(np.zeros((1, 1), np.uint8), "webp")
