"""Images made anew: sizes, formats, colours, turns and transparency, as other programs see the result."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.rendering import render
from nemo_curator.codecs.rendition import EXTENSIONS, Encode, Rendition, Resize
from nemo_curator.errors import DecodeError, LimitError, NotAnImageError
from nemo_curator.testing import encoded, photo


def seen(data: bytes) -> Image.Image:
    """What Pillow makes of some bytes."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@cache  # it holds the second in which it was made
def profile() -> bytes:
    """An RGB profile that is not sRGB's: red and blue have changed places in it."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        if data[at : at + 4] in (b"rXYZ", b"bXYZ"):
            data[at : at + 4] = b"bXYZ" if data[at : at + 4] == b"rXYZ" else b"rXYZ"
    return bytes(data)


@pytest.mark.parametrize("form", EXTENSIONS)
@pytest.mark.parametrize(("resize", "size"), [(Resize(60), (60, 40)), (Resize(30, "short"), (45, 30))])
def test_sizes_and_formats(form, resize, size):
    """Every format that we write has the size that was asked for, and shows the picture."""
    made = render(encoded(photo(1, 120, 80), "PNG"), Rendition(resize, Encode(form)))
    picture = seen(made.data)
    assert (made.format, made.width, made.height) == (form, *size) == (picture.format.lower(), *picture.size)
    wanted = np.asarray(Image.fromarray(photo(1, 120, 80)).resize(size, Image.Resampling.BICUBIC), np.float64)
    assert np.abs(np.asarray(picture.convert("RGB"), np.float64) - wanted).mean() < 6


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_smaller_images_have_their_own_bytes(form):
    """An image that is no larger than asked for leaves as it came, whatever its format."""
    data = encoded(photo(2, 60, 40), form)
    assert render(data, Rendition(Resize(60))).data is data
    assert render(data, Rendition(Resize(40, "short"))).data is data


def test_the_format_alone():
    """Without a size, images of other formats are encoded anew, and those of the format leave as they came."""
    data = encoded(photo(3), "PNG")
    assert render(data, Rendition(encode=Encode("png"))).data is data
    made = render(data, Rendition(encode=Encode("webp", 50)))
    assert (made.format, made.width, made.height) == ("webp", 96, 72)
    jpeg = encoded(photo(3), quality=95)
    assert render(jpeg, Rendition(encode=Encode("jpeg", 50))).data is jpeg
    assert len(render(jpeg, Rendition(encode=Encode("jpeg", 50, always=True))).data) < len(jpeg)


def test_own_format_where_there_is_one():
    """Without a format, an image keeps its own, and what we do not write becomes a PNG."""
    forms = {form: render(encoded(photo(4), form), Rendition(Resize(48))).format for form in ("JPEG", "WEBP", "BMP")}
    assert forms == {"JPEG": "jpeg", "WEBP": "webp", "BMP": "png"}


def test_enlarged_only_where_asked():
    """A smaller image grows where the recipe says so, as Pillow would enlarge it."""
    made = render(encoded(photo(5, 30, 20), "PNG"), Rendition(Resize(60, enlarge=True)))
    wanted = Image.fromarray(photo(5, 30, 20)).resize((60, 40), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(seen(made.data)), np.asarray(wanted))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(orientation):
    """The turn that EXIF asks for is applied, and nothing asks for it again."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(6, 120, 80), "JPEG", quality=95, exif=exif.tobytes())
    made = render(data, Rendition(Resize(60), Encode("png")))
    wanted = ImageOps.exif_transpose(seen(data))
    wanted.thumbnail((60, 60), Image.Resampling.BICUBIC, reducing_gap=None)
    picture = seen(made.data)
    assert (picture.size, dict(picture.getexif())) == (wanted.size, {})
    assert np.abs(np.asarray(picture, int) - np.asarray(wanted, int)).mean() < 3


def test_alpha_stays_where_it_can():
    """Transparency is kept in formats that have it, without a seam of what is hidden; a JPEG shows the background."""
    pixels = np.zeros((80, 80, 4), np.uint8)
    pixels[:, :40] = (255, 0, 0, 255)
    pixels[:, 40:] = (0, 255, 0, 0)  # hidden green, which must not show
    data = encoded(pixels, "PNG")
    for form in ("png", "webp", "avif"):
        found = np.asarray(seen(render(data, Rendition(Resize(41), Encode(form))).data).convert("RGBA"))
        assert found[..., 3].min() == 0
        assert found[..., 1][found[..., 3] > 128].max() < 60
    flat = render(data, Rendition(Resize(40), Encode("jpeg"), options=DecodeOptions((0, 0, 255))))
    assert np.asarray(seen(flat.data))[20, 35, 2] > 240


def test_an_opaque_alpha_is_dropped():
    """A fourth channel that hides nothing is not written again."""
    pixels = np.dstack([photo(7), np.full((72, 96), 255, np.uint8)])
    assert seen(render(encoded(pixels, "PNG"), Rendition(Resize(48))).data).mode == "RGB"


def test_grey_stays_grey():
    """A grey picture is encoded as one; over a coloured background it is none any more."""
    data = encoded(photo(8)[..., 0], "PNG")
    assert seen(render(data, Rendition(Resize(48))).data).mode == "L"
    assert seen(render(data, Rendition(Resize(48), Encode("jpeg"))).data).mode == "L"
    with_alpha = encoded(np.dstack([photo(8)[..., 0], np.zeros((72, 96), np.uint8)]), "PNG")
    red = Rendition(Resize(48), Encode("jpeg"), options=DecodeOptions((255, 0, 0)))
    assert seen(render(with_alpha, red).data).mode == "RGB"


@pytest.mark.parametrize("form", EXTENSIONS)
def test_profiles_stay(form):
    """A colour profile travels with pixels that are in it, in every format."""
    data = encoded(photo(9), "PNG", icc_profile=profile())
    assert seen(render(data, Rendition(Resize(48), Encode(form))).data).info["icc_profile"] == profile()


def test_profiles_are_applied():
    """With `srgb` the colours are converted, and there is no profile any more; one that is none leaves them alone."""
    pixels = np.zeros((60, 60, 3), np.uint8)
    pixels[..., 0] = 200
    data = encoded(pixels, "PNG", icc_profile=profile())
    made = seen(render(data, Rendition(Resize(30), Encode("png", profile="srgb"))).data)
    assert "icc_profile" not in made.info
    assert np.asarray(made)[10, 10].tolist()[2] > 150
    broken = encoded(pixels, "PNG", icc_profile=profile()[:60])
    assert np.asarray(seen(render(broken, Rendition(Resize(30), Encode("png", profile="srgb"))).data))[10, 10, 0] == 200


@pytest.mark.parametrize("size", [30, 60])
def test_profiles_are_applied_beside_transparency(size):
    """With `srgb` the colours of a picture with transparency are converted too, and its transparency stays."""
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 200, 100
    data = encoded(pixels, "PNG", icc_profile=profile())
    made = seen(render(data, Rendition(Resize(size), Encode("png", profile="srgb", always=True))).data)
    assert "icc_profile" not in made.info
    red, _, blue, alpha = np.asarray(made)[10, 10].tolist()
    assert (red < 50, blue > 150, alpha) == (True, True, 100)


def test_a_profile_of_another_space_is_left_out():
    """A grey profile does not fit colours, so it does not travel with them."""
    data = encoded(photo(9), "PNG", icc_profile=profile()[:16] + b"GRAY" + profile()[20:])
    assert "icc_profile" not in seen(render(data, Rendition(Resize(48))).data).info


def test_long_profiles_in_a_jpeg():
    """A profile of more than one segment comes back whole."""
    long = profile() + b"\0" * 150_000
    data = encoded(photo(9), "PNG", icc_profile=long)
    assert seen(render(data, Rendition(Resize(48), Encode("jpeg"))).data).info["icc_profile"] == long


def test_inks():
    """CMYK becomes colours that a viewer shows, not inks."""
    data = encoded(photo(10), "JPEG", quality=95)
    inks = io.BytesIO()
    seen(data).convert("CMYK").save(inks, "JPEG", quality=95)
    made = seen(render(inks.getvalue(), Rendition(Resize(48))).data)
    assert made.mode == "RGB"
    assert np.abs(np.asarray(made, int) - np.asarray(seen(data).resize((48, 36)), int)).mean() < 8


def test_metadata_do_not_travel():
    """Where a camera was is not in a picture that is made anew."""
    exif = Image.Exif()
    exif[0x010E] = "my garden"
    data = encoded(photo(11), "JPEG", exif=exif.tobytes(), comment=b"secret")
    made = render(data, Rendition(Resize(48))).data
    assert b"garden" not in made
    assert b"secret" not in made


@pytest.mark.parametrize(("data", "error"), [(b"no image at all", NotAnImageError), (b"", NotAnImageError)])
def test_what_is_no_image(data, error):
    """What is no image is an error in one sentence."""
    with pytest.raises(error):
        render(data, Rendition(Resize(48)))


def test_damage_and_bounds():
    """A torn file, one over the limits, and a picture that its new format cannot hold are errors in one sentence."""
    with pytest.raises(DecodeError):
        render(encoded(photo(12, 300, 300))[:3000], Rendition(Resize(48)))
    with pytest.raises(LimitError, match="over the limit"):
        render(encoded(photo(12)), Rendition(Resize(48), limits=Limits(pixels=1000)))
    long = encoded(np.zeros((1, 17_000, 3), np.uint8), "PNG")
    with pytest.raises(LimitError, match="16,383"):
        render(long, Rendition(encode=Encode("webp")))
    with pytest.raises(LimitError, match="over the limit"):
        render(long, Rendition(Resize(60_000, enlarge=True), limits=Limits(pixels=50_000)))


def test_fast_reads_less_of_a_large_jpeg():
    """With `fast` a large JPEG is decoded at reduced size, to much the same picture."""
    data = encoded(photo(13, 800, 600), quality=95)
    exact = render(data, Rendition(Resize(100), Encode("png")))
    fast = render(data, Rendition(Resize(100), Encode("png"), options=DecodeOptions(fast=True)))
    assert (fast.width, fast.height) == (exact.width, exact.height)
    difference = np.abs(np.asarray(seen(fast.data), int) - np.asarray(seen(exact.data), int))
    assert 0 < difference.max() < 40
    assert difference.mean() < 3


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 3000), st.sampled_from(["long", "short"]))
def test_never_larger(width, height, side, fit):
    """Without `enlarge` no side grows, the named one is as asked for, and both are at least one pixel."""
    target = Rendition(Resize(side, fit)).target("jpeg", width, height)
    named = max(width, height) if fit == "long" else min(width, height)
    if named <= side:
        assert target is None
    else:
        assert 1 <= target.width <= width
        assert 1 <= target.height <= height
        assert (max if fit == "long" else min)(target.width, target.height) == side or min(width, height) * side < named


@pytest.mark.parametrize("form", EXTENSIONS)
def test_the_same_bytes_every_time(form):
    """The same image and settings give the same bytes."""
    data = encoded(photo(14, 200, 150), quality=90)
    assert render(data, Rendition(Resize(99), Encode(form))) == render(data, Rendition(Resize(99), Encode(form)))
