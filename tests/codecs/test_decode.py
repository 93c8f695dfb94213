from __future__ import annotations

import io
import pickle
import struct

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageCms

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.encode import encode
from nemo_curator.codecs.options import DEFAULT_OPTIONS
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.upright import upright
from nemo_curator.errors import DecodeError

BACKGROUND = DEFAULT_OPTIONS.background
RNG = np.random.default_rng(7)


def saved(image: Image.Image, fmt: str = "PNG", **options: object) -> bytes:
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """Probe and decode, with what every result promises."""
    header = probe(data)
    pixels = decode(data, header)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    assert pixels.shape == (*header.upright_size[::-1], 3)
    return pixels


def smooth(height: int = 24, width: int = 36) -> np.ndarray:
    """An asymmetric smooth picture that survives JPEG well."""
    y, x = np.mgrid[0:height, 0:width]
    planes = (x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height))
    return np.stack(planes, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("fmt", ["PNG", "BMP", "TIFF", "PPM", "SGI"])
def test_rgb_is_exact(fmt):
    """Lossless RGB comes back bit for bit."""
    pixels = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)
    assert np.array_equal(decoded(saved(Image.fromarray(pixels), fmt)), pixels)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_jpeg_equals_pillow(options):
    """The fast decoder gives Pillow's pixels, bit for bit."""
    data = saved(Image.fromarray(smooth()), "JPEG", **options)
    assert np.array_equal(decoded(data), np.asarray(Image.open(io.BytesIO(data))))


def test_photos_equal_pillow(photo_files):
    """On real photos too."""
    for data in photo_files[:30]:
        with Image.open(io.BytesIO(data)) as image:
            assert np.array_equal(decoded(data), np.asarray(image.convert("RGB")))


def test_grey_becomes_rgb():
    """One channel becomes three equal ones, in JPEG and in PNG."""
    grey = smooth()[..., 0]
    assert np.array_equal(decoded(saved(Image.fromarray(grey))), np.repeat(grey[..., None], 3, axis=2))
    jpeg = decoded(saved(Image.fromarray(grey), "JPEG"))
    assert (jpeg[..., 0] == jpeg[..., 2]).all()
    assert np.abs(jpeg[..., 0].astype(int) - grey).max() < 8


def test_one_bit():
    """Bits become black and white."""
    bits = RNG.integers(0, 2, (9, 11)).astype(bool)
    assert np.array_equal(decoded(saved(Image.fromarray(bits)))[..., 1], bits * np.uint8(255))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 32_767, 65_407, 65_408, 65_535])
@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled(value, fmt):
    """16 bits are rounded to the nearest of 256 levels."""
    pixels = np.full((3, 4), value, np.uint16)
    assert (decoded(saved(Image.fromarray(pixels), fmt)) == round(value / 257)).all()


def test_sixteen_bit_colour():
    """16-bit RGB comes down to 8 bits within one level."""
    pixels = RNG.integers(0, 65_536, (6, 5, 3), dtype=np.uint16)
    assert np.abs(decoded(encode(pixels)[0]) - pixels / 257).max() <= 1.0


def test_sixteen_bit_transparent_colour():
    """A grey 16-bit level declared transparent shows the background."""
    data = saved(Image.fromarray(np.array([[100, 40_000]], np.uint16)), transparency=40_000)
    assert decoded(data)[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 32_768, 65_535], [0, 128, 255]), ([-100, -50, 100], [0, 64, 255]), ([5, 5, 5], [0, 0, 0])],
)
def test_integers_by_their_range(values, expected):
    """32-bit integers are 16-bit values where they can be, else stretched."""
    image = Image.fromarray(np.array([values], np.int32))
    assert decoded(saved(image, "TIFF"))[0, :, 0].tolist() == expected


@pytest.mark.parametrize(("alpha", "expected"), [(255, [200, 0, 0]), (0, [255, 255, 255]), (128, [227, 127, 127])])
@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "WEBP"])
def test_alpha_over_white(alpha, expected, fmt):
    """Transparent pixels show the documented background."""
    image = Image.new("RGBA", (4, 3), (200, 0, 0, alpha))
    options = {"lossless": True, "exact": True} if fmt == "WEBP" else {}
    assert BACKGROUND == (255, 255, 255)
    assert np.abs(decoded(saved(image, fmt, **options)).astype(int) - expected).max() <= 1


def test_grey_alpha_palette_and_colour_key():
    """Every other way to be transparent: LA, a palette with alpha, one transparent colour."""
    assert decoded(saved(Image.new("LA", (2, 2), (10, 0)))).min() == 255
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    assert decoded(saved(palette, transparency=0)).tolist() == [[[255, 255, 255], [0, 0, 255]]]
    assert decoded(saved(palette, transparency=bytes([0, 255]))).tolist() == [[[255, 255, 255], [0, 0, 255]]]
    assert decoded(saved(palette)).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert decoded(saved(palette, "GIF", transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert decoded(saved(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))).tolist() == [[[255] * 3]]


def test_cmyk_without_profile():
    """No ink is white, full black ink is black, cyan ink takes red away."""
    for fmt in ("JPEG", "TIFF"):
        options = {"quality": 100} if fmt == "JPEG" else {}
        for ink, expected in (((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0)):
            pixels = decoded(saved(Image.new("CMYK", (16, 16), ink), fmt, **options))
            assert np.abs(pixels.astype(int) - expected).max() <= 2
        pixels = decoded(saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), fmt, **options))
        assert pixels[..., 0].max() <= 2


def test_broken_profile_falls_back():
    """A profile that does not convert leaves the naive conversion."""
    image = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (b"no profile at all", srgb):
        assert decoded(saved(image, "TIFF", icc_profile=profile)).min() == 255


def test_lab():
    """CIE L*a*b* becomes sRGB: L = 100 white, L = 0 black, positive a reddish."""
    for colour, expected in (((255, 128, 128), 255), ((0, 128, 128), 0)):
        assert np.abs(decoded(saved(Image.new("LAB", (4, 4), colour), "TIFF")).astype(int) - expected).max() <= 1
    red, green, _ = decoded(saved(Image.new("LAB", (1, 1), (128, 190, 128)), "TIFF"))[0, 0].astype(int)
    assert red > green + 50


def test_animation_gives_its_first_frame():
    """Only the first frame is decoded."""
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "green")]
    for fmt in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if fmt == "WEBP" else {}
        data = saved(frames[0], fmt, save_all=True, append_images=frames[1:], **options)
        assert (decoded(data) == [255, 0, 0]).all()


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM"])
def test_truncated_is_refused(fmt):
    """Half a file is an error, never half a picture."""
    data = saved(Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)), fmt)
    header = probe(data)
    for length in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(DecodeError) as caught:
            decode(data[:length], header)
        assert "\n" not in str(caught.value)
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes


def test_damaged_png_is_refused():
    """A flipped bit among the pixels is found by the CRC, which Pillow does not check."""
    data = bytearray(saved(Image.fromarray(smooth())))
    data[data.index(b"IDAT") + 30] ^= 1
    with pytest.raises(DecodeError, match="wrong CRC in its IDAT"):
        decode(bytes(data), probe(bytes(data)))


def test_damaged_jpeg_is_refused_where_pillow_shows_the_damage():
    """An end marker in the middle of the scan: Pillow fills the rest with grey, silently."""
    pixels = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = saved(Image.fromarray(pixels), "JPEG")
    cut = data[: len(data) // 2] + b"\xff\xd9"
    with pytest.raises(DecodeError, match="remature end"):
        decode(cut, probe(cut))


def test_stray_bytes_between_jpeg_segments_are_tolerated():
    """They cost no pixel, and real files have them."""
    data = saved(Image.fromarray(smooth()), "JPEG")
    at = data.index(b"\xff\xdb")
    stray = data[:at] + b"\x00" * 7 + data[at:]
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(stray)
    assert np.array_equal(decoded(stray), decoded(data))


def test_tiff_that_libtiff_cannot_decode_is_refused_quietly(capfd, odd_files):
    """A compression without decoder is one sentence, and libtiff prints nothing."""
    data = odd_files["pillow/hopper_webp.tif"]
    with pytest.raises(DecodeError, match="TIFF compressed by webp"):
        decoded(data)
    assert capfd.readouterr().err == ""


def test_reduced_decoding():
    """`at_least` gives a JPEG at the smallest size that is enough, and other formats in full."""
    pixels = smooth(400, 640)
    data = saved(Image.fromarray(pixels), "JPEG")
    small = decode(data, probe(data), at_least=100)
    assert small.shape == (100, 160, 3)
    assert decode(data, probe(data), at_least=101).shape[0] > 101
    png = saved(Image.fromarray(pixels))
    assert decode(png, probe(png), at_least=100).shape == (400, 640, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_equal_pillows(orientation):
    """All eight orientations agree with Pillow's transpositions."""
    pixels = smooth()
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    expected = pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))
    assert np.array_equal(upright(pixels, orientation), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "TIFF", "JPEG", "AVIF"])
def test_orientation_is_applied_exactly_once(fmt, orientation):
    """Whoever turns the picture, parser or we, it is turned once."""
    pixels = smooth(48, 64)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if fmt == "WEBP" else {"quality": 95} if fmt in {"JPEG", "AVIF"} else {}
    result = decoded(saved(Image.fromarray(pixels), fmt, exif=exif, **options))
    expected = upright(pixels, orientation)
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).mean() < 3


def test_bands_leave_no_seam():
    """A picture larger than one band is converted as if in one piece."""
    grey = np.tile(np.arange(256, dtype=np.uint8), (9000, 1))
    assert np.array_equal(decoded(saved(Image.fromarray(grey), "BMP"))[..., 2], grey)


def test_decoder_errors_are_one_short_line():
    """Addresses, line ends and length are taken out of a decoder's message."""
    data = b"II*\x00" + struct.pack("<I", 8) + bytes(50)
    with pytest.raises(DecodeError) as caught:
        probe(data)
    assert "0x" not in str(caught.value)
    assert len(str(caught.value)) < 220
