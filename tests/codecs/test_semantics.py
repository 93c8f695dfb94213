"""One test for each row of the table in docs/reference/decoding.md; what other decoders see is in test_golden.py."""

from __future__ import annotations

import inspect
import io
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from tests.codecs import own_pictures as own
from tests.codecs.own_profiles import inks, swapped_lab

from nemo_curator.codecs.decode import decode, read_picture
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.upright import upright
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.testing import encoded, photo

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "decoding.md"
RGB = own.scaled(own.ramps()[..., :3])
GREY = RGB[..., 2]
ALPHA = own.ramps()[..., 3:]


def pixels_of(data: bytes, **options: object) -> np.ndarray:
    """Probe and decode; as signed integers, so that differences can be taken."""
    return read_picture(data, probe(data), options=DecodeOptions(**options)).pixels.astype(int)


def header_of(name: str) -> ImageHeader:
    """What the probe says of an own picture."""
    return probe(own.PICTURES[name]())


def own_pixels(name: str, **options: object) -> np.ndarray:
    """An own picture, decoded."""
    return pixels_of(own.PICTURES[name](), **options)


def over(background: tuple[int, int, int] = (255, 255, 255), colour: np.ndarray = RGB) -> np.ndarray:
    """The ramps over a background, exactly."""
    return colour * ALPHA + np.array(background) * (1 - ALPHA)


def far(pixels: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of any value; infinite where the shapes differ."""
    return float(np.abs(pixels - expected).max()) if pixels.shape == expected.shape else float("inf")


def grey(values: np.ndarray) -> np.ndarray:
    """One channel three times."""
    return np.repeat(values[..., None], 3, axis=2).astype(int)


def refused(data: bytes) -> str:
    """The sentence about a file that is not decoded."""
    with pytest.raises(DecodeError) as caught:
        pixels_of(data)
    return str(caught.value)


def documented() -> list[str]:
    """The tests that the rows of the table name."""
    table = PAGE.read_text(encoding="utf-8").split("## What becomes of what is stored")[1].split("\n## ")[0]
    return re.findall(r"\| `(test_\w+)` \|$", table, re.MULTILINE)


def test_table_every_row_has_its_test_and_every_test_its_row():
    """The table and this file name each other, in the same order."""
    here = [
        name
        for name, _ in inspect.getmembers(sys.modules[__name__], inspect.isfunction)
        if name.startswith("test_") and not name.startswith("test_table_")
    ]
    table = PAGE.read_text(encoding="utf-8").split("## What becomes of what is stored")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(documented()) == len(rows)
    assert sorted(documented()) == sorted(here)


@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9])
@pytest.mark.parametrize("where", ["exif", "xmp"])
def test_orientation_is_applied_once(orientation, where):
    """All eight, in EXIF and in XMP, as Pillow turns them; what is no orientation counts as 1."""
    if where == "exif":
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = own.saved(own.rgb(), "PNG", exif=exif)
    else:
        text = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'
        data = own.png(2, 8, extra=[(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text.encode())])
    assert np.array_equal(pixels_of(data), upright(RGB, orientation))
    if orientation in range(1, 9):
        with Image.open(io.BytesIO(data)) as image:
            assert np.array_equal(pixels_of(data), np.asarray(ImageOps.exif_transpose(image)))


def test_boxes_turn_avif_and_heif():
    """Rotated a quarter and mirrored: applied once, whether their decoder does it (HEIF) or we do (AVIF)."""
    avif = own_pixels("turned.avif")
    turned = np.rot90(RGB.astype(int))[::-1]  # irot counts quarters against the clock; imir 0 exchanges top and bottom
    assert np.abs(avif - turned).mean() < 4
    heif = own_pixels("turned.heic")
    assert heif.shape == RGB.shape
    assert np.abs(heif - RGB).mean() < 4  # stored lying on its side, 24 x 36


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (10, 200, 90)])
def test_alpha_is_over_the_background(colour):
    """Whatever the background, and of whatever the alpha belongs to."""
    grey_ramp = np.repeat(GREY[..., None], 3, axis=2)
    for picture in ("type-6-8-rows.png", "type-6-16-rows.png", "alpha.webp", "alpha.tif", "alpha-16.tif", "alpha.jp2"):
        assert far(own_pixels(picture, background=colour), over(colour)) <= 1.5, picture
    for picture in ("type-4-8-rows.png", "type-4-16-rows.png"):
        assert far(own_pixels(picture, background=colour), over(colour, grey_ramp)) <= 1.5, picture
    palette = own.saved(own.rgb().quantize(64).convert("PA"), "TIFF")
    assert far(pixels_of(palette, background=colour), np.asarray(own.rgb().quantize(64).convert("RGB"))) == 0


def test_premultiplied_alpha():
    """Colours that were multiplied by their alpha come out as if they had not been."""
    for picture in ("premultiplied.tif", "premultiplied-16.tif"):
        assert far(own_pixels(picture, background=(10, 200, 90)), over((10, 200, 90))) <= 2, picture
    assert far(own_pixels("premultiplied-grey.tif"), over(colour=np.repeat(GREY[..., None], 3, axis=2))) <= 2


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_colour_shows_the_background(bits):
    """Of every depth of grey, of colour, and of palettes with partial alpha; pixels of other colours stay."""
    stored = own.scaled(own.ramps()[..., 2], bits)
    chosen = int(stored[12, 20])
    key = struct.pack(">H", chosen)
    shown = pixels_of(own.png(0, bits, extra=[(b"tRNS", key)]), background=(10, 200, 90))
    plain = pixels_of(own.png(0, bits))
    assert (shown[stored == chosen] == [10, 200, 90]).all()
    assert np.array_equal(shown[stored != chosen], plain[stored != chosen])
    if bits >= 8:
        colour = own.scaled(own.ramps()[..., :3], bits)
        data = own.png(2, bits, extra=[(b"tRNS", struct.pack(">3H", *map(int, colour[12, 20])))])
        assert pixels_of(data, background=(1, 2, 3))[12, 20].tolist() == [1, 2, 3]
        assert np.array_equal(pixels_of(data)[:, 0], pixels_of(own.png(2, bits))[:, 0])
    if bits == 8:
        palette = own.png(3, 8, extra=[(b"tRNS", bytes(range(256)))])
        index = own.scaled(own.ramps()[..., 0])
        expected = pixels_of(own.png(3, 8)) * (index / 255)[..., None] + 255 * (1 - index / 255)[..., None]
        assert far(pixels_of(palette), expected) <= 1


def test_unspecified_channel_is_no_alpha():
    """A fourth channel that the file does not call alpha changes nothing."""
    assert np.array_equal(pixels_of(own.tiff(own.scaled(own.ramps()), 2, extra_samples=0)), RGB)


def test_cmyk_jpeg_with_and_without_the_marker():
    """Zero is full ink in both: no ink is white, and the colours are those of the TIFF with the same inks."""
    expected = own_pixels("cmyk.tif")
    for picture in ("cmyk-adobe.jpg", "cmyk-bare.jpg"):
        assert np.abs(own_pixels(picture) - expected).mean() < 2, picture
        with Image.open(io.BytesIO(own.PICTURES[picture]())) as image:
            assert np.array_equal(own_pixels(picture), np.asarray(image.convert("RGB"))), picture
    assert b"Adobe" not in own.PICTURES["cmyk-bare.jpg"]()
    large = own.saved(own.cmyk().resize((360, 240)), "JPEG")
    assert decode(large, probe(large), at_least=100).shape == (120, 180, 3)


def test_ycck_jpeg():
    """Inks stored as luminance, chroma and black are the same inks."""
    assert b"Adobe\0d\0\0\0\0\2" in own.PICTURES["ycck-adobe.jpg"]()
    assert np.abs(own_pixels("ycck-adobe.jpg") - own_pixels("cmyk.tif")).mean() < 2


def test_cmyk_through_its_profile():
    """The profile's paper and inks are seen, in JPEG, in TIFF and in TIFF compressed by JPEG, and in 16 bits."""
    by_tiff = own_pixels("cmyk-icc.tif")
    assert np.abs(by_tiff - own_pixels("cmyk.tif")).mean() > 20
    for picture in ("cmyk-icc.jpg", "cmyk-icc-jpeg.tif"):
        assert np.abs(own_pixels(picture) - by_tiff).mean() < 2, picture
    deep = own.tiff(own.scaled(own.ramps(), 16), 5, profile=inks())
    assert np.abs(pixels_of(deep) - by_tiff).mean() < 2


@pytest.mark.parametrize("profile", [b"", b"no profile at all", inks()[:200], swapped_lab()])
def test_cmyk_without_a_profile(profile):
    """By the formula; also where what is embedded is broken, or is of another colour space."""
    c, m, y, k = np.moveaxis(own.scaled(own.ramps()).astype(float), -1, 0)
    expected = np.stack([(255 - ink) * (255 - k) / 255 for ink in (c, m, y)], axis=-1)
    for bits in (8, 16):
        assert far(pixels_of(own.tiff(own.scaled(own.ramps(), bits), 5, profile=profile)), expected) <= 2


@pytest.mark.parametrize("profile", [b"", b"no profile at all", inks()])
def test_lab_without_a_profile(profile):
    """White, black and grey are neutral, and green-red and blue-yellow are the right way round."""
    stored = np.array([[[255, 0, 0], [0, 0, 0], [128, 0, 0], [128, 60, 0], [128, 0, 60]]], np.uint8)
    white, black, middle, reddish, yellowish = pixels_of(own.tiff(stored, 8, profile=profile))[0]
    assert (white >= 254).all()
    assert (black <= 1).all()
    assert np.ptp(middle) <= 1
    assert abs(middle.mean() - 119) <= 2  # L* of 50
    assert reddish[0] > reddish[1] + 50
    assert yellowish[2] < yellowish[1] - 50


def test_lab_through_its_profile():
    """A profile that exchanges a* and b* undoes their exchange in the file."""
    assert np.abs(own_pixels("lab-icc.tif") - own_pixels("lab.tif")).mean() < 1
    ignored = pixels_of(own.tiff(own.lab(swapped=True), 8))
    assert np.abs(ignored - own_pixels("lab.tif")).mean() > 10


def test_rgb_profile_is_not_applied():
    """The numbers in an RGB or grey file are the pixels, whatever its profile makes of them."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    other = profile.replace(b"rXYZ", b"tmp.").replace(b"bXYZ", b"rXYZ").replace(b"tmp.", b"bXYZ")  # red for blue
    for embedded in (profile, other, b"no profile at all"):
        assert np.array_equal(pixels_of(own.saved(own.rgb(), "PNG", icc_profile=embedded)), RGB)
        assert np.array_equal(pixels_of(own.saved(Image.fromarray(GREY), "PNG", icc_profile=embedded)), grey(GREY))


def test_sixteen_bit_grey():
    """Rounded to the nearest of 256, and the other way round where white is zero."""
    stored = own.scaled(own.ramps()[..., 2], 16)
    for picture in ("type-0-16-rows.png", "type-0-16-adam7.png", "grey-16.tif", "grey-16.jp2"):
        assert np.array_equal(own_pixels(picture), grey(np.rint(stored / 257))), picture
    big_endian = own.saved(Image.fromarray(stored.astype(">u2")), "TIFF")
    assert np.array_equal(pixels_of(big_endian), grey(np.rint(stored / 257)))
    for picture in ("grey-8-white-is-zero.tif", "grey-16-white-is-zero.tif"):
        assert far(own_pixels(picture), grey(255 - own.ramps()[..., 2] / 2 * 255)) <= 1, picture


def test_sixteen_bit_colour():
    """Within one level of the exact value, however it is stored."""
    exact = own.scaled(own.ramps()[..., :3], 16) / 257
    for picture in ("type-2-16-rows.png", "type-2-16-adam7.png", "rgb-16.tif", "wide-16.ppm"):
        assert far(own_pixels(picture), exact) <= 1, picture


def test_ten_bit_avif_with_alpha():
    """Ten bits come down to eight, over the background."""
    assert np.abs(own_pixels("alpha-10-bit.avif") - over()).mean() < 1
    assert np.abs(own_pixels("alpha-10-bit.avif", background=(0, 0, 0)) - over((0, 0, 0))).mean() < 1


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([0, 32_768, 65_535], "i4", [0, 128, 255]),
        ([-100, -50, 100], "i4", [0, 64, 255]),
        ([0, 2**31, 2**32 - 1], "u4", [0, 128, 255]),
        ([0, 32_768, 65_535], "u4", [0, 128, 255]),
        ([-32_768, 0, 32_767], "i2", [0, 128, 255]),
        ([0, 16_384, 32_767], "i2", [0, 64, 127]),
        ([5, 5, 5], "i4", [0, 0, 0]),
    ],
)
def test_wide_integers_by_their_range(values, kind, expected):
    """As 16 bits where they can be, else stretched; signed and unsigned are told apart."""
    data = own.tiff(np.array([values], kind), 1, sample_format=1 if kind[0] == "u" else 2)
    assert pixels_of(data)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.4, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 500.0, 1000.0], [0, 128, 255]),
        ([float("nan"), 0.25, 1.0], [0, 64, 255]),
        ([float("inf"), 0.0, 1.0], [0, 0, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
        ([7000.0] * 3, [0, 0, 0]),
    ],
)
def test_floats_by_their_range(values, expected):
    """0..1 and 0..255 are understood, other ranges stretched, what is not finite is black."""
    data = own.tiff(np.array([values], np.float32), 1, sample_format=3)
    assert pixels_of(data)[0, :, 0].tolist() == expected


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette(bits):
    """Every pixel has the colour of its entry, also where the first entries are grey."""
    index = own.scaled(own.ramps()[..., 0], bits)
    table = np.frombuffer(own.colours_of_palette(2**bits), np.uint8).reshape(-1, 3)
    for interlaced in (False, True):
        assert np.array_equal(pixels_of(own.png(3, bits, interlaced=interlaced)), table[index])
    only_grey = Image.fromarray(GREY).convert("P")
    for fmt in ("GIF", "TIFF", "BMP"):
        assert np.array_equal(pixels_of(own.saved(only_grey, fmt)), grey(GREY)), fmt


def test_one_bit():
    """Set bits are white in PNG, and what each format says in the others."""
    bits = own.scaled(own.ramps()[..., 2], 1)
    assert np.array_equal(own_pixels("type-0-1-rows.png"), grey(bits * 255))
    for fmt in ("TIFF", "BMP", "PPM"):
        assert np.array_equal(pixels_of(own.saved(Image.fromarray(bits.astype(bool)), fmt)), grey(bits * 255)), fmt


def test_grey_stays_known_as_grey():
    """Three equal channels come out, and the header goes on saying that the picture is grey."""
    for picture in ("grey.jpg", "type-0-8-rows.png", "type-4-8-rows.png", "type-0-16-rows.png", "grey-16.tif"):
        assert header_of(picture).is_grey, picture
        assert np.ptp(own_pixels(picture), axis=2).max() == 0, picture
    assert far(own_pixels("grey.jpg"), grey(np.asarray(own.rgb().convert("L")))) < 8
    assert not header_of("sequential.jpg").is_grey
    assert not header_of("palette.tif").is_grey


def test_first_frame_and_their_number():
    """Only the first frame is decoded, and the header counts all."""
    for picture in ("animated.png", "animated.webp"):
        assert np.array_equal(own_pixels(picture), RGB), picture
        assert header_of(picture).frames == 3, picture
    assert header_of("animated.gif").frames == 3
    assert np.array_equal(own_pixels("animated.gif"), np.asarray(own.rgb().quantize(128).convert("RGB")))
    pages = own.saved(own.rgb(), "TIFF", save_all=True, append_images=[own.rgb().rotate(180)])
    assert np.array_equal(pixels_of(pages), RGB)
    assert probe(pages).frames == 2


def test_gif_frame_smaller_than_the_screen():
    """Bare pixels are the background where the frame is transparent somewhere, and colour 0 where it is not."""
    frame = Image.new("P", (4, 3), 1)
    frame.putpalette([9, 8, 7, 200, 0, 0, 0, 200, 0])

    def on_screen(data: bytes) -> bytes:
        at = data.index(b",\0\0\0\0")
        return data[:6] + struct.pack("<HH", 10, 8) + data[10 : at + 1] + struct.pack("<HH", 2, 1) + data[at + 5 :]

    bare = pixels_of(on_screen(own.saved(frame, "GIF", optimize=False)))
    assert bare.shape == (8, 10, 3)
    assert bare[0, 0].tolist() == [9, 8, 7]
    assert bare[2, 3].tolist() == [200, 0, 0]
    transparent = pixels_of(on_screen(own.saved(frame, "GIF", optimize=False, transparency=2)))
    assert transparent[0, 0].tolist() == [255, 255, 255]
    assert transparent[2, 3].tolist() == [200, 0, 0]


def test_jpeg_with_a_second_picture():
    """What stands behind the picture of a JPEG is not part of it."""
    both = own.saved(own.rgb(), "MPO", save_all=True, append_images=[own.rgb().rotate(180)])
    assert probe(both).frames == 1
    assert far(pixels_of(both), RGB) < 40
    assert np.abs(pixels_of(both) - RGB).mean() < 8


def test_icon_gives_its_largest_picture():
    """Of the sizes in an icon the largest is decoded."""
    icon = own.saved(own.rgb().resize((64, 64)), "ICO", sizes=[(16, 16), (64, 64), (32, 32)])
    assert probe(icon).upright_size == (64, 64)
    assert pixels_of(icon).shape == (64, 64, 3)


def test_progressive_and_arithmetic_jpeg():
    """Another way to code the same coefficients gives the same pixels."""
    assert np.array_equal(own_pixels("progressive.jpg"), own_pixels("sequential.jpg"))
    for picture in ("arithmetic.jpg", "arithmetic-progressive.jpg"):
        assert np.abs(own_pixels(picture) - RGB).mean() < 4, picture
    assert np.array_equal(own_pixels("arithmetic.jpg"), own_pixels("arithmetic-progressive.jpg"))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("kind", [0, 2, 3, 4, 6])
def test_interlaced_png(kind, bits):
    """Adam7 changes the order of the pixels in the file and nothing else."""
    if (bits < 8 and kind in {2, 4, 6}) or (kind, bits) == (3, 16):
        with pytest.raises(DecodeError):
            pixels_of(own.png(kind, bits, interlaced=True))
    else:
        assert np.array_equal(pixels_of(own.png(kind, bits, interlaced=True)), pixels_of(own.png(kind, bits)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "CMYK"}, {"mode": "L"}])
def test_truncated_jpeg(options):
    """Refused by default; where it is accepted, what is there is right, and the picture says that it is truncated."""
    options = dict(options)
    large = own.rgb().resize((360, 240)).convert(options.pop("mode", "RGB"))
    whole = own.saved(large, "JPEG", quality=90, **options)
    cut = whole[: len(whole) // 2]
    assert "Premature end of JPEG file" in refused(cut)
    picture = read_picture(cut, probe(cut), options=DecodeOptions(truncated="accept"))
    assert picture.truncated
    assert picture.pixels.shape == (240, 360, 3)
    assert picture.warnings == ("Premature end of JPEG file",)
    if "progressive" not in options:
        assert np.abs(picture.pixels[:80] - pixels_of(whole)[:80]).max() <= 1
    complete = read_picture(whole, probe(whole), options=DecodeOptions(truncated="accept"))
    assert not complete.truncated
    assert np.array_equal(complete.pixels, pixels_of(whole))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_damaged_jpeg(mode):
    """An end marker in the middle of the scan, and bytes lost between restart markers: refused, accepted or not."""
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = own.saved(Image.fromarray(noise).convert(mode), "JPEG", quality=90, restart_marker_rows=1)
    lost = whole.index(b"\xff\xd1")
    damaged = whole[: lost - 100] + whole[lost:]
    assert "remature end of data segment" in refused(damaged)
    with pytest.raises(DecodeError):
        pixels_of(damaged, truncated="accept")
    assert "remature end of data segment" in refused(whole[: len(whole) // 2] + b"\xff\xd9")


def test_lost_lines_of_a_fax():
    """Libtiff goes on after a bad code word and Pillow says nothing: what came out is not the picture."""
    out = io.BytesIO()
    y, x = np.mgrid[0:90, 0:120]
    Image.fromarray((x + y).astype(np.uint8)).convert("1").save(out, "TIFF", compression="group4")
    data = bytearray(out.getvalue())
    pixels_of(bytes(data))
    data[60:120] = b"\xff" * 60
    assert "lost pixels: Fax4Decode: Bad code word" in refused(bytes(data))


def test_stray_bytes_in_a_jpeg():
    """Rubbish between two header segments costs no pixel."""
    data = own.PICTURES["sequential.jpg"]()
    at = data.index(b"\xff\xdb")
    picture = read_picture(stray := data[:at] + bytes(7) + data[at:], probe(stray))
    assert np.array_equal(picture.pixels, own_pixels("sequential.jpg"))
    assert any("extraneous" in warning for warning in picture.warnings)


@pytest.mark.parametrize("accept", [False, True])
def test_stray_bytes_in_a_jpeg_hide_nothing(accept):
    """What is damaged, or ends too early, is judged as it is without the rubbish."""
    data = encoded(photo(3, 400, 300))
    stray = data.replace(b"\xff\xdb", bytes(7) + b"\xff\xdb", 1)
    half = len(data) // 2
    damaged = stray[: half + 7] + b"\xff\xd9"
    with pytest.raises(DecodeError, match="premature end of data segment"):
        read_picture(damaged, probe(damaged), options=DecodeOptions(truncated="accept" if accept else "quarantine"))
    cut = stray[: half + 7]
    if accept:
        picture = read_picture(cut, probe(cut), options=DecodeOptions(truncated="accept"))
        assert picture.truncated
        assert len(picture.warnings) == 2
    else:
        assert "Premature end" in refused(cut)


@pytest.mark.parametrize("fmt", ["PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "SGI"])
def test_other_damage_is_refused(fmt):
    """Half a file is an error whatever the options say, and so is a PNG whose checksum does not fit."""
    noise = np.random.default_rng(6).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = own.saved(Image.fromarray(noise), fmt)
    for options in ({}, {"truncated": "accept"}):
        with pytest.raises(DecodeError):
            read_picture(data[: len(data) // 2], probe(data), options=DecodeOptions(**options))
    if fmt == "PNG":
        at = data.index(b"IDAT") + 40
        assert "wrong CRC" in refused(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_deep_colour_jpeg2000_is_refused():
    """A picture whose white would come out black is refused; 8 bits, and grey of 16, are not."""
    deep = bytearray(own.PICTURES["alpha.jp2"]())
    at = deep.index(b"\xff\x4f\xff\x51") + 42
    deep[at : at + 12 : 3] = bytes([11]) * 4  # what the codestream says of the depth of each channel, less one
    assert "JPEG 2000 in colour of 12 bits" in refused(bytes(deep))
    assert far(own_pixels("alpha.jp2"), over()) <= 1


def test_subsampled_tiff_is_refused():
    """Chroma shared by pixels, as a YCbCr TIFF has it where it says nothing, is not read as if each had its own."""
    assert "subsampled chroma" in refused(own.tiff(RGB, 6))
    compressed = own.saved(own.rgb(), "TIFF", compression="jpeg", quality=95)
    assert np.abs(pixels_of(compressed) - RGB).mean() < 8


def test_unknown_samples_are_refused():
    """Kinds of TIFF without a decoder are one sentence, never a guess."""
    planes = own.ramps()
    colour, shade = planes[..., :3], planes[..., 2]
    signed = (np.concatenate([planes[..., :1], planes[..., 1:3] - 0.5], axis=-1) * 30_000).astype(np.int16)
    for data in (
        own.tiff(colour.astype(np.float32), 2, sample_format=3),
        own.tiff(colour.astype(np.float16), 2, sample_format=3),
        own.tiff(shade.astype(np.float16), 1, sample_format=3),
        own.tiff(shade.astype(np.float64), 1, sample_format=3),
        own.tiff(own.scaled(colour, 32), 2),
        own.tiff(own.scaled(planes[..., 2:], 16), 1, extra_samples=2),
        own.tiff(own.scaled(np.concatenate([planes, planes[..., :1]], axis=-1)), 5, extra_samples=2),
        own.tiff(signed.view(np.uint16), 8),
        own.tiff(own.lab(), 9),
    ):
        assert "the tiff decoder refused it" in refused(data)


def test_table_default_options_are_what_the_page_says():
    """White, quarantine, exact."""
    text = PAGE.read_text(encoding="utf-8")
    assert DecodeOptions() == DecodeOptions((255, 255, 255), "quarantine", fast=False)
    for name, value in (("background", "white"), ("truncated", "quarantine"), ("fast", "false")):
        assert f"| `decode.{name}` | `{value}` |" in text
    assert decode(own.PICTURES["alpha.tif"](), header_of("alpha.tif")).min() >= 0
