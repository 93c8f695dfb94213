from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nemo_curator.codecs import views as views_module
from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut, thumbnail
from nemo_curator.errors import LimitError, SampleError
from nemo_curator.kernels.view import View

CLIP = View(224, crop=224)
STATISTICS = View(256, fit="long", enlarge=False, filter="box")
PILLOW = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}


def reference(pixels: np.ndarray, view: View) -> np.ndarray:
    """Pillow: resize in full, then crop."""
    height, width = pixels.shape[:2]
    resized = view.resized(width, height)
    image = Image.fromarray(pixels).resize(resized, PILLOW[view.filter])
    return np.asarray(image.crop(view.cropped(*resized)))


def difference(pixels: np.ndarray, view: View) -> float:
    """Mean absolute difference from the reference, in levels of 255."""
    result, expected = cut(pixels, [view])[view], reference(pixels, view)
    assert result.shape == expected.shape
    return float(np.abs(result.astype(int) - expected).mean())


def noise(height: int, width: int) -> np.ndarray:
    """The hardest picture to agree on."""
    return np.random.default_rng(height * 10_000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "view",
    [
        CLIP,
        STATISTICS,
        View(64, fit="squash"),
        View(50, filter="lanczos"),
        View(200, filter="bilinear", crop=100),
        View(96, fit="long", crop=200),
        View(1, fit="short", crop=1),
    ],
)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (3, 200), (240, 320), (333, 257), (700, 500)])
def test_equals_pillow_on_generated_pictures(view, shape):
    """Every filter, fit and crop agrees with Pillow on noise, from one pixel up."""
    assert difference(noise(*shape), view) <= 0.5


def test_equals_pillow_on_photos(photo_files):
    """A model sees what it would see through Pillow, on real photos."""
    for data in photo_files:
        assert difference(decode(data, probe(data)), CLIP) <= 0.5


def exact_share(pixels: np.ndarray, view: View) -> tuple[float, int]:
    """How many values equal Pillow's, across first and then down, and how far the others are off at most."""
    height, width = pixels.shape[:2]
    resized = view.resized(width, height)
    narrow = Image.fromarray(pixels).resize((resized[0], height), PILLOW[view.filter])
    expected = np.asarray(narrow.resize(resized, PILLOW[view.filter]).crop(view.cropped(*resized)))
    off = np.abs(cut(pixels, [view])[view].astype(int) - expected)
    return float((off == 0).mean()), int(off.max())


@pytest.mark.parametrize("view", [CLIP, View(224, fit="squash"), View(100, fit="squash", filter="bilinear")])
def test_nearly_every_value_is_pillows(photo_files, view):
    """Where pictures shrink, not a value in fifty differs, and none by more than two levels."""
    for data in photo_files:
        share, worst = exact_share(decode(data, probe(data)), view)
        assert share >= 0.98
        assert worst <= 2
    share, worst = exact_share(noise(900, 700), view)
    assert share >= 0.95
    assert worst <= 2


@pytest.mark.parametrize(("centre", "left"), [("even", 116), ("down", 115)])
def test_the_middle_of_an_odd_rest(centre, left):
    """Of 231 columns too many, 116 or 115 are cut on the left: torchvision's habit or transformers'."""
    view = View(256, crop=224, centre=centre)
    assert view.cropped(455, 256) == (left, 16, left + 224, 240)
    assert view.cropped(256, 455) == (16, left, 240, left + 224)
    pixels = noise(300, 533)
    resized = view.resized(533, 300)
    assert resized[0] == 454
    whole = cut(pixels, [View(256)])[View(256)]
    start = view.cropped(*resized)[0]
    np.testing.assert_array_equal(cut(pixels, [view])[view], whole[16:240, start : start + 224])


def test_equals_pillow_on_kodak(shared_data):
    """On the Kodak suite."""
    paths = sorted((shared_data / "kodak").glob("*.png"))
    assert paths
    for path in paths:
        data = path.read_bytes()
        pixels = decode(data, probe(data))
        assert difference(pixels, CLIP) <= 0.5
        assert difference(pixels, STATISTICS) <= 0.5


def test_equals_pillow_on_odd_files(odd_files):
    """On every odd file that decodes."""
    seen = 0
    for name, data in odd_files.items():
        try:
            pixels = decode(data, probe(data))
        except SampleError:
            continue
        seen += 1
        assert difference(pixels, CLIP) <= 0.5, name
    assert seen > 150


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 120), st.integers(1, 120)),
    view=st.builds(
        View,
        size=st.integers(1, 90),
        fit=st.sampled_from(["short", "long", "squash"]),
        crop=st.none() | st.integers(1, 90),
        filter=st.sampled_from(["bicubic", "bilinear", "lanczos"]),
        enlarge=st.booleans(),
    ),
)
def test_any_geometry_agrees_with_pillow(shape, view):
    """No combination of size, fit and crop is off by a pixel."""
    if max(view.resized(shape[1], shape[0])) < 5000:
        # in noise the overshoot of a pass is cut off before the next one, whose order differs; a shift costs 60 or more
        assert difference(noise(*shape), view) <= 2.0


def test_bands_leave_no_seam(monkeypatch):
    """A picture resampled band by band equals one resampled at once."""
    pixels = noise(900, 700)
    whole = {view: cut(pixels, [view])[view] for view in (CLIP, STATISTICS)}
    monkeypatch.setattr(views_module, "_BAND_BYTES", 20_000)
    for view, expected in whole.items():
        assert np.abs(cut(pixels, [view])[view].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (3, 60_000)])
def test_extreme_aspects(shape):
    """A line of pixels is cut without building the picture that the resize would be."""
    pixels = noise(*shape)
    assert cut(pixels, [CLIP])[CLIP].shape == (224, 224, 3)
    assert min(cut(pixels, [STATISTICS])[STATISTICS].shape[:2]) == 1
    with pytest.raises(LimitError, match="over the limit of 16,777,216"):
        cut(pixels, [View(2000)])


def test_distinct_views_once_and_owning_their_memory():
    """Repeated views are one result; no result is a window into the picture."""
    pixels = noise(40, 30)
    same = View(40, fit="long", enlarge=False)
    result = cut(pixels, [same, CLIP, same])
    assert list(result) == [same, CLIP]
    assert np.array_equal(result[same], pixels)
    for view in result.values():
        assert view.flags.c_contiguous
        assert not np.shares_memory(view, pixels)


def test_the_picture_is_not_changed():
    """Cutting only reads."""
    pixels = noise(300, 200)
    before = pixels.copy()
    cut(pixels, [CLIP, STATISTICS])
    assert np.array_equal(pixels, before)


def test_thumbnail():
    """From bytes and from pixels: the longer side as asked, upright, never enlarged."""
    pixels = noise(300, 500)
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(out, "JPEG", exif=exif)
    assert thumbnail(pixels, 100).shape == (60, 100, 3)
    assert thumbnail(out.getvalue(), 100).shape == (100, 60, 3)
    assert thumbnail(out.getvalue(), 9000).shape == (500, 300, 3)
    assert thumbnail(noise(1, 5000), 100).shape == (1, 100, 3)
