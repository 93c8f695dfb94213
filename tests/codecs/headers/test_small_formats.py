from __future__ import annotations

import io
import struct

import pytest
from PIL import BmpImagePlugin, Image, ImageCms, Jpeg2KImagePlugin, PpmImagePlugin
from tests.codecs.headers.boxed import box
from tests.codecs.headers.test_metadata import XMP, dataset
from tests.codecs.headers.tiffs import tiff

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP_CAPTION = "Two gulls & a <crab> 🦀"


def encoded(image: Image.Image, fmt: str, **options: object) -> bytes:
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def bmp(bits: int, size: int = 40, compression: int = 0, masks: tuple[int, ...] = (), palette: bytes = b"") -> bytes:
    """A bitmap of 30 x 20 pixels."""
    if size == 12:
        head = struct.pack("<IHHHH", 12, 30, 20, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", size, 30, 20, 1, bits, compression, 0, 0, 0, 0, 0)
    after = b"".join(struct.pack("<I", mask) for mask in masks) + palette
    return b"BM" + bytes(12) + (head + after).ljust(max(size, len(head + after)), b"\0") + bytes(8)


GREYS = bytes(value for i in range(256) for value in (i, i, i, 0))
MASKS = [
    (0xFF0000, 0xFF00, 0xFF, 0),
    (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
    (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    (0, 0, 0, 0),
]


@pytest.mark.parametrize(
    "data",
    [
        bmp(1),
        bmp(1, palette=b"\0\0\0\0\xff\xff\xff\0"),
        bmp(1, size=12, palette=b"\0\0\0\xff\xff\xff"),
        bmp(4, palette=GREYS[:64]),
        bmp(8, palette=GREYS),
        bmp(8, palette=GREYS[:-4] + b"\1\2\3\0"),
        bmp(8, palette=GREYS[:100]),
        bmp(16),
        bmp(24),
        bmp(32),
        bmp(24, size=12),
        *(bmp(32, size, 3, masks) for masks in MASKS for size in (40, 52, 56, 108, 124) if size >= 56 or not masks[3]),
    ],
)
def test_bmp_modes_are_those_of_pillow(data):
    """Palettes that are greys, masks with and without alpha, every length of header."""
    image = BmpImagePlugin.BmpImageFile(io.BytesIO(data), "")
    assert (probe(data).mode, probe(data).width, probe(data).height) == (image.mode, *image.size)


def test_bmp_fields():
    """Depth, a height that counts downwards, an embedded profile."""
    assert [probe(bmp(bits)).bit_depth for bits in (1, 4, 8, 16, 24, 32)] == [1, 4, 8, 5, 8, 8]
    downwards = bytearray(bmp(24))
    downwards[22:26] = struct.pack("<i", -20)
    assert probe(bytes(downwards)).height == 20
    with_profile = bytearray(bmp(24, size=124))
    with_profile[70:74] = b"DEBM"
    assert probe(bytes(with_profile)).has_icc
    assert not probe(bmp(24, size=124)).has_icc
    with pytest.raises(DecodeError, match="3 bits a pixel"):
        probe(bmp(3))
    with pytest.raises(DecodeError, match="ends inside"):
        probe(bmp(24)[:40])


@pytest.mark.parametrize(
    ("head", "depth"),
    [
        (b"P1 30 20 ", 1),
        (b"P2\n30 20\n255\n", 8),
        (b"P3\n30 20\n15\n", 4),
        (b"P4\n#a comment\n30\t20\n", 1),
        (b"P5\n30 # and another\r20 65535\n", 16),
        (b"P5 30 20 1023 ", 10),
        (b"P6\n" + b"# long\n" * 300 + b"30 20 255\n", 8),
    ],
)
def test_netpbm_is_read_as_pillow_reads_it(head, depth):
    """Numbers, comments of any length, grey of more than 8 bits."""
    data = head + bytes(2000)
    image = PpmImagePlugin.PpmImageFile(io.BytesIO(data), "")
    header = probe(data)
    assert (header.mode, header.width, header.height, header.bit_depth) == (image.mode, *image.size, depth)


@pytest.mark.parametrize(
    ("planes", "most", "kind", "mode"),
    [
        (1, 1, "BLACKANDWHITE", "1"),
        (1, 255, "GRAYSCALE", "L"),
        (1, 65535, "GRAYSCALE", "I"),
        (2, 255, "GRAYSCALE_ALPHA", "LA"),
        (3, 255, "RGB", "RGB"),
        (4, 4095, "RGB_ALPHA", "RGBA"),
    ],
)
def test_pam(planes, most, kind, mode):
    """The seventh kind has lines of words."""
    text = f"P7\n# c\nWIDTH 30\nHEIGHT 20\nDEPTH {planes}\nMAXVAL {most}\nTUPLTYPE {kind}\nENDHDR\n"
    header = probe(text.encode() + bytes(99))
    assert (header.width, header.height, header.mode, header.bit_depth) == (30, 20, mode, most.bit_length())


@pytest.mark.parametrize(
    "data",
    [
        b"P6 30 20",
        b"P6 30 x 255 \0",
        b"P6 30 20 0 \0",
        b"P6 30 20 65536 \0",
        b"P6 30 99999999999 255 \0",
        b"P5 #" + b"x" * 70_000 + b"\n30 20 255\n\0",
        b"P7\nWIDTH 30\n",
        b"P7\nWIDTH 30\nENDHDR\n",
        b"P7\nWIDTH 30\nHEIGHT 20\nDEPTH 9\nMAXVAL 255\nENDHDR\n",
        b"P7 332\n#XVVERSION\n30 20 255\n",
    ],
)
def test_netpbm_that_is_damaged(data):
    """Words that are missing, no numbers or too large; too long a comment; what there is no decoder for."""
    with pytest.raises(DecodeError):
        probe(data)


def ico(*pictures: bytes) -> bytes:
    """An icon whose directory says 16 x 16 of each picture."""
    at, entries = 6 + 16 * len(pictures), b""
    for picture in pictures:
        entries += struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(picture), at)
        at += len(picture)
    return struct.pack("<HHH", 0, 1, len(pictures)) + entries + b"".join(pictures)


def test_icon_depth_is_that_of_the_largest_picture():
    """Bitmaps of few colours, and PNGs, say their own depth."""
    few = struct.pack("<IiiHHIIiiII", 40, 16, 32, 1, 4, 0, 0, 0, 0, 0, 0)
    deep = encoded(Image.new("I;16", (32, 32)), "PNG")
    assert (probe(ico(few)).bit_depth, probe(ico(few)).width) == (4, 16)
    assert (probe(ico(few, deep)).bit_depth, probe(ico(few, deep)).height) == (16, 32)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("bare", [False, True])
def test_jpeg2000_is_read_as_pillow_reads_it(mode, bare):
    """Boxes and bare codestreams of every mode that Pillow writes."""
    data = encoded(Image.new(mode, (30, 20)), "JPEG2000", no_jp2=bare)
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data), "")
    header = probe(data)
    assert (header.mode, header.width, header.height) == (image.mode, *image.size)
    assert header.bit_depth == (16 if mode == "I;16" else 8)


def jp2(*inside: bytes, bits: int = 7, channels: int = 3, outside: bytes = b"") -> bytes:
    """A JP2 header of 30 x 20 pixels."""
    ihdr = box(b"ihdr", struct.pack(">IIHBBBB", 20, 30, channels, bits, 7, 0, 0))
    ftyp = box(b"ftyp", b"jp2 ", bytes(4), b"jp2 ")
    return box(b"jP  ", b"\r\n\x87\n") + ftyp + box(b"jp2h", ihdr, *inside) + outside + box(b"jp2c", bytes(8))


def colour(number: int) -> bytes:
    """An enumerated colour space."""
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, number))


PALETTE = box(b"pclr", struct.pack(">HB3B6B", 2, 3, 7, 7, 7, *range(6)))


@pytest.mark.parametrize(
    "data",
    [
        jp2(colour(16)),
        jp2(colour(17), channels=1),
        jp2(colour(12), channels=4),
        jp2(colour(16), PALETTE, channels=1),
        jp2(colour(17), PALETTE, channels=1),
        jp2(colour(16), PALETTE, channels=2),
        jp2(colour(16), channels=1, bits=15),
    ],
)
def test_jp2_boxes_are_read_as_pillow_reads_them(data):
    """Colour spaces and palettes decide the mode."""
    image = Jpeg2KImagePlugin.Jpeg2KImageFile(io.BytesIO(data), "")
    assert (probe(data).mode, probe(data).width, probe(data).height) == (image.mode, 30, 20)


def test_jp2_fields():
    """Depths that vary, profiles, captions in boxes; the orientation of EXIF turns nothing."""
    assert probe(jp2(box(b"bpcc", b"\x07\x0b\x07"), bits=255)).bit_depth == 12
    assert probe(jp2(box(b"bpcc", b"\x0f"), bits=255, channels=1)).mode == "I;16"
    assert probe(jp2(box(b"colr", b"\2\0\0" + bytes(9)))).has_icc
    assert not probe(jp2(colour(16))).has_icc
    exif = box(b"uuid", b"JpgTiffExif->JP2", tiff({270: (2, b"of EXIF\0"), 274: (3, (6,))}))
    iptc = box(b"uuid", bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"), dataset(2, 120, b"of IPTC"))
    xmp = box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac"), XMP.replace("tiff:", "x:").encode())
    assert probe(jp2(outside=exif)) == ImageHeader("jpeg2000", 30, 20, caption="of EXIF")
    assert probe(jp2(outside=exif + iptc)).caption == "of IPTC"
    assert probe(jp2(outside=exif + iptc + xmp)).caption == XMP_CAPTION


@pytest.mark.parametrize(
    "data", [jp2(channels=7), jp2()[:40], b"\xff\x4f\xff\x51" + bytes(20), b"\xff\x4f\xff\x51" + b"\0" * 60]
)
def test_jpeg2000_that_is_damaged(data):
    """Too many channels, no header box, a cut codestream, a size of nothing."""
    with pytest.raises(DecodeError):
        probe(data)


def test_gif_fields():
    """Depth of the colour table, comment, XMP, profile."""
    data = encoded(Image.new("P", (30, 20)), "GIF", comment=b"a quay")
    assert probe(data).caption == "a quay"
    head = b"GIF89a" + struct.pack("<HHBBB", 30, 20, 0x84, 0, 0) + bytes(96)
    plain = b"\x2c" + struct.pack("<HHHHB", 0, 0, 30, 20, 0) + b"\x02\x01\x44\0"
    own = b"\x2c" + struct.pack("<HHHHB", 0, 0, 30, 20, 0x82) + bytes(24) + b"\x02\x01\x44\0"
    profile = b"\x21\xff\x0bICCRGBG1012\x01x\0"
    xmp = (
        b"\x21\xff\x0bXMP DataXMP"
        + XMP.encode("ascii", "xmlcharrefreplace")
        + b"\1"
        + bytes(range(255, -1, -1))
        + b"\0"
    )
    comment = b"\x21\xfe\x05hello\x07 world!\0"
    assert probe(head + plain + b";") == ImageHeader("gif", 30, 20, "P", bit_depth=5)
    assert probe(head + own + b";").bit_depth == 3
    assert probe(head + comment + profile + plain + b";").caption == "hello world!"
    assert probe(head + comment + profile + plain + b";").has_icc
    header = probe(head + comment + xmp + plain + plain + b";")
    assert (header.caption, header.frames) == (XMP_CAPTION, 2)


def test_webp_fields():
    """Profile, EXIF and XMP of an extended file; alpha of a simple one; frames up to the limit."""
    exif = Image.Exif()
    exif[0x010E] = "of EXIF"
    exif[0x0112] = 3
    image = Image.new("RGBA", (30, 20), (1, 2, 3, 4))
    data = encoded(image, "WEBP", icc_profile=PROFILE, exif=exif)
    assert probe(data) == ImageHeader("webp", 30, 20, "RGBA", 1, 3, has_icc=True, caption="of EXIF")
    assert probe(encoded(image, "WEBP", exif=exif, xmp=XMP.encode())).caption == XMP_CAPTION
    assert probe(encoded(image, "WEBP", lossless=True)).mode == "RGBA"
    assert probe(encoded(image.convert("RGB"), "WEBP")) == ImageHeader("webp", 30, 20)
    chunks = b"VP8X\x0a\0\0\0\x02\0\0\0\x1d\0\0\x13\0\0" + b"ANMF\0\0\0\0" * 100_000
    assert probe(b"RIFF\0\0\0\0WEBP" + chunks, Limits(frames=50_000)).frames == 50_001


def test_what_stays_with_pillow_says_its_depth():
    """SGI and PSD tell their bits; DDS and ICNS have eight."""
    assert probe(encoded(Image.new("L", (30, 20)), "SGI")).bit_depth == 8
    assert probe(encoded(Image.new("L", (30, 20)), "SGI", bpc=2)).bit_depth == 16
    assert probe(encoded(Image.new("RGBA", (30, 20)), "DDS")) == ImageHeader("dds", 30, 20, "RGBA")
    psd = b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 20, 30, 8, 3) + bytes(14)
    assert probe(psd) == ImageHeader("psd", 30, 20)
