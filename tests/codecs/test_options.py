"""What a user may choose about decoding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nemo_curator.codecs.decode import DECODERS, read_picture
from nemo_curator.codecs.options import DecodeOptions, colour_of
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import FAST_SIDE, read_views
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.view import View
from nemo_curator.testing import encoded, photo

ACCEPT = DecodeOptions(truncated="accept")
FAST = DecodeOptions(fast=True)


def saved(image: Image.Image, fmt: str = "PNG", **options: object) -> bytes:
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def picture(data: bytes, options: DecodeOptions = DecodeOptions()):  # noqa: B008 (frozen)
    """Probe and decode."""
    return read_picture(data, probe(data), options=options)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused_or_accepted(mode, progressive):
    """By default it is refused; where it is accepted, what is there is right and it is marked."""
    image = Image.fromarray(photo(3, 320, 240)).convert(mode)
    whole = saved(image, "JPEG", quality=95, progressive=progressive)
    cut = whole[: len(whole) * 2 // 3]
    with pytest.raises(DecodeError, match=r"Premature end|truncated"):
        picture(cut)
    accepted = picture(cut, ACCEPT)
    assert accepted.truncated
    assert accepted.warnings
    assert accepted.pixels.shape == (240, 320, 3)
    full = picture(whole, ACCEPT)
    assert not full.truncated
    assert not full.warnings
    if not progressive:
        assert np.array_equal(accepted.pixels[:120], full.pixels[:120])
    assert np.abs(accepted.pixels[:40].astype(int) - full.pixels[:40]).mean() < 25


def test_only_truncation_is_accepted():
    """Other damage, and truncated files of other formats, are refused all the same."""
    png = saved(Image.fromarray(photo(1, 64, 48)))
    with pytest.raises(DecodeError):
        picture(png[: len(png) // 2], ACCEPT)
    jpeg = saved(Image.fromarray(photo(1, 640, 480)), "JPEG", restart_marker_rows=1)
    at = jpeg.index(b"\xff\xd3")
    with pytest.raises(DecodeError, match="instead of RST"):
        picture(jpeg[:at] + b"\xff\xd6" + jpeg[at + 2 :], ACCEPT)


def test_a_jpeg_that_ends_before_its_picture_is_refused_even_so():
    """There is nothing to accept in a header alone."""
    jpeg = saved(Image.fromarray(photo(1, 64, 48)), "JPEG")
    with pytest.raises(DecodeError):
        picture(jpeg[:200], ACCEPT)


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO"])
def test_the_background_shows_through(fmt):
    """A transparent picture becomes the colour that was chosen, in every format that knows transparency."""
    data = saved(Image.new("RGBA", (32, 32), (10, 20, 30, 0)), fmt)
    for colour in ((255, 255, 255), (0, 0, 0), (12, 200, 99)):
        pixels = picture(data, DecodeOptions(background=colour)).pixels
        assert np.abs(pixels.astype(int) - colour).max() <= 1, (fmt, colour)


def test_the_background_shows_through_sixteen_bits():
    """A 16-bit level that is declared transparent, too."""
    data = saved(Image.fromarray(np.array([[100, 40_000]], np.uint16)), transparency=40_000)
    assert picture(data, DecodeOptions(background=(1, 2, 3))).pixels[0].tolist() == [[0, 0, 0], [1, 2, 3]]


def test_colours():
    """Names of CSS and hexadecimal numbers are colours; what has transparency of its own is none."""
    assert colour_of("white") == (255, 255, 255)
    assert colour_of("#0a141e") == (10, 20, 30)
    for text in ("nocolour", "#11223344", "", "12"):
        with pytest.raises(ValueError, match="is no colour"):
            colour_of(text)


def counted(monkeypatch):
    """Decodes of JPEGs as the shorter side asked for."""
    asked = []
    real = DECODERS["jpeg", "RGB"]
    monkeypatch.setitem(DECODERS, ("jpeg", "RGB"), lambda request: asked.append(request.at_least) or real(request))
    return asked


def test_fast_decodes_a_large_jpeg_small(monkeypatch):
    """One reduced decode serves all small views, which have the size and nearly the look of the reference."""
    data = encoded(photo(5, 1601, 1203), quality=92)
    views = [View(224, crop=224), View(256, fit="long", filter="box", enlarge=False), View(256, fit="squash", crop=224)]
    asked = counted(monkeypatch)
    _, exact = read_views(data, probe(data), views)
    whole, fast = read_views(data, probe(data), views, options=FAST)
    assert asked == [0, FAST_SIDE]
    assert FAST_SIDE <= min(whole.pixels.shape[:2]) < 1203
    for view in views:
        assert fast[view].shape == exact[view].shape
        assert np.abs(fast[view].astype(int) - exact[view]).mean() < 3


def test_fast_is_the_same_whatever_else_is_asked_for():
    """A view does not depend on the other views: a larger one gets a full decode of its own."""
    data = encoded(photo(6, 1700, 1300))
    small, large = View(224, crop=224), View(1000)
    _, alone = read_views(data, probe(data), [small], options=FAST)
    _, both = read_views(data, probe(data), [large, small], options=FAST)
    _, exact = read_views(data, probe(data), [large])
    assert np.array_equal(alone[small], both[small])
    assert np.array_equal(exact[large], both[large])


@pytest.mark.parametrize("size", [(500, 375), (2 * FAST_SIDE - 1, 2000)])
def test_fast_leaves_small_jpegs_alone(size, monkeypatch):
    """Where less than half is saved, the full picture is decoded."""
    data = encoded(photo(7, *size))
    asked = counted(monkeypatch)
    read_views(data, probe(data), [View(224)], options=FAST)
    assert asked == [0]


def test_fast_changes_nothing_but_jpegs():
    """Other formats have no reduced decode."""
    data = saved(Image.fromarray(photo(8, 1000, 900)))
    view = View(224)
    pairs = [read_views(data, probe(data), [view], options=one)[1][view] for one in (DecodeOptions(), FAST)]
    assert np.array_equal(*pairs)
