from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image, ImageCms, PngImagePlugin
from tests.codecs.headers.test_metadata import XMP, dataset, resource
from tests.codecs.headers.tiffs import tiff

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PIXELS = zlib.compress(bytes(100))


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk with its CRC."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, after: bytes = b"", depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of 30 x 20 pixels, with chunks before and after its pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30, 20, depth, colour, 0, 0, 0))
    end = after + chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", PIXELS) + end


def raw_profile(kind: bytes, body: bytes) -> bytes:
    """A profile as ImageMagick writes it: as hexadecimal text."""
    text = b"\n" + kind + b"\n%8d\n" % len(body) + body.hex().encode() + b"\n"
    return chunk(b"zTXt", b"Raw profile type " + kind + b"\0\0" + zlib.compress(text))


@pytest.mark.parametrize("colour", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_modes_are_those_of_pillow(colour, depth):
    """Every combination of colour type and depth that exists has Pillow's mode; others are a sentence."""
    data = png(chunk(b"PLTE", bytes(6)), depth=depth, colour=colour)
    try:
        image = PngImagePlugin.PngImageFile(io.BytesIO(data), "")
    except SyntaxError:
        with pytest.raises(DecodeError, match="which no PNG has"):
            probe(data)
    else:
        assert (probe(data).mode, probe(data).bit_depth) == (image.mode, depth)


def test_every_field():
    """All that Pillow can write into one file is read back."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", "a quay")
    Image.new("LA", (30, 20)).save(out, "PNG", exif=exif, icc_profile=PROFILE, pnginfo=text)
    assert probe(out.getvalue()) == ImageHeader("png", 30, 20, "LA", 1, 6, 8, has_icc=True, caption="a quay")


@pytest.mark.parametrize(
    "body",
    [
        (b"tEXt", "é".encode("latin-1")),
        (b"tEXt", "é".encode()),
        (b"zTXt", b"\0" + zlib.compress("é".encode("latin-1"))),
        (b"iTXt", b"\0\0fr\0Titre\0" + "é".encode()),
        (b"iTXt", b"\1\0\0\0" + zlib.compress("é".encode())),
    ],
)
def test_text_of_every_kind(body):
    """Plain, compressed and international text, before and after the pixels."""
    kind, text = body
    written = chunk(kind, b"Title\0" + text)
    assert probe(png(written)).caption == probe(png(after=written)).caption == "é"


def test_order_of_texts():
    """Description, else Title, else Comment; blank ones and other words do not count."""
    comment, title = chunk(b"tEXt", b"Comment\0third"), chunk(b"tEXt", b"Title\0second")
    other, blank = chunk(b"tEXt", b"Software\0other"), chunk(b"tEXt", b"Description\0 \n")
    assert probe(png(other)).caption == ""
    assert probe(png(other, comment)).caption == "third"
    assert probe(png(comment, title, blank)).caption == "second"
    assert probe(png(comment, title, after=chunk(b"tEXt", b"Description\0first"))).caption == "first"


def test_profiles_in_text():
    """EXIF, IPTC and XMP as ImageMagick and Adobe put them into text chunks."""
    exif = raw_profile(b"exif", b"Exif\0\0" + tiff({270: (2, b"of EXIF\0"), 274: (3, (8,))}))
    assert (probe(png(exif)).caption, probe(png(exif)).orientation) == ("of EXIF", 8)
    iptc = dataset(2, 120, b"of IPTC")
    assert probe(png(exif, raw_profile(b"iptc", iptc))).caption == "of IPTC"
    assert probe(png(raw_profile(b"iptc", resource(0x0404, iptc)))).caption == "of IPTC"
    assert probe(png(raw_profile(b"xmp", XMP.encode()))).orientation == 6
    adobe = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode())
    assert probe(png(after=adobe)).caption == "Two gulls & a <crab> 🦀"
    assert probe(png(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nzz"))).orientation == 1


def test_exif_chunk_overrules_a_profile_in_text():
    """The chunk that is made for it has the word, wherever it stands."""
    late = chunk(b"eXIf", tiff({274: (3, (3,))}))
    assert probe(png(raw_profile(b"exif", tiff({274: (3, (8,))})), after=late)).orientation == 3


@pytest.mark.parametrize(
    ("chunks", "frames"),
    [
        ([(b"acTL", 7), b"fcTL"], 7),
        ([(b"acTL", 7)], 8),  # the picture is none of the frames
        ([(b"acTL", 0), b"fcTL"], 1),
        ([(b"acTL", 7), (b"acTL", 7), b"fcTL"], 1),
        ([(b"acTL", 0xFFFFFFFF)], 1),
        ([b"fcTL"], 1),
    ],
)
def test_frames(chunks, frames):
    """As Pillow counts them, the picture included where it is none of the animation."""
    control = struct.pack(">IIIIIHHBB", 0, 30, 20, 0, 0, 1, 1, 0, 0)
    made = [chunk(c[0], struct.pack(">II", c[1], 0)) if isinstance(c, tuple) else chunk(c, control) for c in chunks]
    assert probe(png(*made)).frames == frames
    assert probe(png(*made), Limits(frames=3)).frames == min(frames, 4)


def test_text_that_unpacks_to_gigabytes():
    """A compressed text is unpacked to a bounded length, and only a few of them are."""
    bomb = zlib.compress(bytes(1 << 20), 9) + b""
    huge = zlib.compressobj(9)
    body = b"".join(huge.compress(b"x" * (1 << 20)) for _ in range(64)) + huge.flush()
    data = png(*[chunk(b"zTXt", b"Description\0\0" + bomb)] * 100, chunk(b"zTXt", b"Title\0\0" + body))
    tracemalloc.start()
    try:
        assert len(probe(png(chunk(b"zTXt", b"Title\0\0" + body))).caption) == 4096
        assert probe(data).width == 30
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_damaged_text_is_no_text():
    """What cannot be unpacked, or has no end to its keyword, is passed over."""
    for kind, body in [
        (b"zTXt", b"Title\0\0rubbish"),
        (b"zTXt", b"Title"),
        (b"iTXt", b"Title\0\1"),
        (b"iTXt", b"Title\0\0\0en"),
        (b"tEXt", b"x" * 200),
        (b"tEXt", b""),
    ]:
        assert probe(png(chunk(kind, body))).caption == ""


def test_many_chunks_end_the_walk():
    """A file of a million empty chunks is left after some; what stood before counts."""
    data = png(chunk(b"tEXt", b"Title\0early"), *[chunk(b"teSt")] * 200_000, after=chunk(b"tEXt", b"Description\0late"))
    assert probe(data).caption == "early"


def test_damaged_headers():
    """A wrong CRC, another first chunk, an end inside it."""
    good = png()
    for data, reason in [
        (good[:20] + b"\1" + good[21:], "wrong CRC"),
        (good[:12] + b"tEXt" + good[16:], "does not begin"),
        (good[:30], "ends inside"),
    ]:
        with pytest.raises(DecodeError, match=reason):
            probe(data)
