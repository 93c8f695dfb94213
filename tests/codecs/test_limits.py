from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.limits import Limits, check, check_length
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import LimitError
from nemo_curator.kernels.header import ImageHeader


def test_at_the_limit_is_admitted():
    """Limits are inclusive."""
    limits = Limits(pixels=200, bytes=50, side=20, frames=3)
    check(ImageHeader("png", 20, 10, frames=3), 50, limits)


@pytest.mark.parametrize(
    ("header", "length", "message"),
    [
        (ImageHeader("png", 21, 9), 1, "21 pixels on its longer side, over the limit of 20"),
        (ImageHeader("png", 15, 14), 1, "210 pixels (15 x 14), over the limit of 200"),
        (ImageHeader("png", 1, 1, frames=4), 1, "at least 4 frames, over the limit of 3"),
        (ImageHeader("png", 1, 1), 51, "51 bytes, over the limit of 50"),
    ],
)
def test_over_a_limit_names_figure_and_limit(header, length, message):
    """The record says how much it was and how much is allowed."""
    with pytest.raises(LimitError) as caught:
        check(header, length, Limits(pixels=200, bytes=50, side=20, frames=3))
    assert caught.value.what == message
    assert caught.value.act.startswith("raise limits.")


def test_length_alone():
    """A file can be refused before it is read."""
    with pytest.raises(LimitError):
        check_length(64_000_001)
    check_length(64_000_000)


def png_bomb(width: int, height: int) -> bytes:
    """A PNG header that announces a huge picture."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    idat = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (struct.pack(">I", len(b) - 4) + b + struct.pack(">I", zlib.crc32(b)) for b in (body, idat, b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_bomb(side: int) -> bytes:
    """A real JPEG whose frame header claims to be larger."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG")
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def webp_bomb() -> bytes:
    """An extended WebP with the largest canvas."""
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\x00" * 2
    return b"RIFF" + struct.pack("<I", len(vp8x) + 4) + b"WEBP" + vp8x


@pytest.mark.parametrize(
    "data", [png_bomb(20_000, 20_000), jpeg_bomb(20_000), webp_bomb()], ids=["png", "jpeg", "webp"]
)
def test_bombs_are_refused_before_allocation(data):
    """A huge announced size costs neither memory nor time, and Pillow's own limit has no say."""
    probe(data)  # imports done
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="over the limit"):
            decode(data, probe(data))
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_our_limit_decides_not_pillows(monkeypatch):
    """A picture above Pillow's bound decodes where ours admits it, without a warning."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    out = io.BytesIO()
    Image.new("RGB", (50, 40), "red").save(out, "PNG")
    data = out.getvalue()
    assert decode(data, probe(data)).shape == (40, 50, 3)


def test_a_header_that_deceives_does_not_pass():
    """The decoder's own view of the size is checked too."""
    data = png_bomb(20_000, 20_000)
    with pytest.raises(LimitError):
        decode(data, ImageHeader("png", 10, 10))
    with pytest.raises(LimitError):
        decode(jpeg_bomb(20_000), ImageHeader("jpeg", 10, 10))


def test_what_is_cropped_away_counts():
    """A decoder makes all of a picture before it crops it, so the limits are about all of it."""
    header = ImageHeader("heif", 45, 34, coded_pixels=60_000 * 60_000)
    with pytest.raises(LimitError, match=r"3,600,000,000 pixels \(before it is cropped to 45 x 34\)"):
        check(header, 1000)
    with pytest.raises(LimitError, match="bytes of memory"):
        check(header, 1000, Limits(pixels=10**12))
