from __future__ import annotations

import io
import itertools
import struct

import numpy as np
import pytest
from PIL import AvifImagePlugin, Image
from pillow_heif.as_plugin import HeifImageFile
from tests.codecs.headers.boxed import Part, box, clap, coded, full, ispe, put_together

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.upright import upright
from nemo_curator.errors import DecodeError

TURNS = [(b"irot", bytes([r])) for r in range(4)] + [(b"imir", bytes([m])) for m in range(2)]
# every order of at most one rotation, one mirror and one crop
KINDS = [TURNS[:4], TURNS[4:], [clap(40, 20)]]
ORDERS = [
    choice
    for count in range(4)
    for kinds in itertools.permutations(KINDS, count)
    for choice in itertools.product(*kinds)
]
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="5"/></x:xmpmeta>'
HEVC, AV1 = coded("heif"), coded("avif")


def exif(orientation: int | None) -> bytes:
    """An EXIF item, with a description and perhaps an orientation."""
    block = Image.Exif()
    block[0x010E] = "two cats on a sofa"
    if orientation is not None:
        block[0x0112] = orientation
    return bytes(4) + block.tobytes().removeprefix(b"Exif\0\0")


def heif(*properties: tuple[bytes, bytes], **options: bool) -> bytes:
    """One HEVC picture with further properties."""
    return put_together(b"heicmif1", [Part(HEVC.kind, HEVC.data, HEVC.properties + properties)], **options)


def test_heif_is_turned_as_its_decoder_turns_it():
    """Rotation, mirror and crop in any order: size, upright size and direction are those of libheif's pixels."""
    stored = np.asarray(HeifImageFile(io.BytesIO(heif()), ""))
    for order in ORDERS:
        data = heif(*order)
        header = probe(data)
        image = HeifImageFile(io.BytesIO(data), "")
        assert header.upright_size == image.size, order
        assert decode(data, header).shape[1::-1] == image.size, order
        if clap(40, 20) not in order:
            assert np.array_equal(upright(stored, header.orientation), np.asarray(image)), order


def test_heif_exif_orientation_turns_nothing():
    """In HEIF the boxes have the word, and EXIF's orientation is for information."""
    parts = [HEVC, Part(b"Exif", exif(6))]
    header = probe(put_together(b"heicmif1", parts, ((b"cdsc", 2, 1),)))
    assert (header.orientation, header.caption) == (1, "two cats on a sofa")


@pytest.mark.parametrize("said", [None, 1, 3, 6])
@pytest.mark.parametrize("xmp", [False, True])
def test_avif_is_turned_as_pillow_says(said, xmp):
    """Its boxes, rotation first; else no EXIF orientation, which is overruled; else XMP's."""
    for order in [order for order in ORDERS if clap(40, 20) not in order]:
        parts = [Part(AV1.kind, AV1.data, AV1.properties + order), Part(b"Exif", exif(said))]
        if xmp:
            parts.append(Part(b"mime", XMP, content=b"application/rdf+xml"))
        data = put_together(b"avifmif1miaf", parts, tuple((b"cdsc", i, 1) for i in range(2, len(parts) + 1)))
        image = AvifImagePlugin.AvifImageFile(io.BytesIO(data), "")
        header = probe(data)
        assert header.orientation == image.getexif().get(0x0112, 1), order
        assert (header.width, header.height) == image.size


@pytest.mark.parametrize(
    ("fmt", "mode"), [("heif", "L"), ("heif", "RGB"), ("heif", "RGBA"), ("avif", "RGB"), ("avif", "L")]
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_what_encoders_write(fmt, mode, orientation):
    """Mode, size, frames, depth and the absence of a profile, of files as encoders write them."""
    block = Image.Exif()
    block[0x0112] = orientation
    out = io.BytesIO()
    image = Image.linear_gradient("L").resize((30, 20)).convert("RGB").convert(mode)
    if fmt == "avif":
        image.save(out, "AVIF", exif=block, speed=10)
    else:
        import pillow_heif

        pillow_heif.from_pillow(image).save(out, exif=block.tobytes())
    header = probe(out.getvalue())
    parser = HeifImageFile if fmt == "heif" else AvifImagePlugin.AvifImageFile
    assert header.mode == parser(io.BytesIO(out.getvalue()), "").mode
    assert (header.format, header.width, header.height, header.frames) == (fmt, 30, 20, 1)
    assert (header.orientation, header.bit_depth, header.has_icc) == (orientation, 8, False)


def test_avif_with_alpha_and_profile():
    """An alpha item and an ICC profile are seen."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    out = io.BytesIO()
    Image.new("RGBA", (30, 20), (1, 2, 3, 4)).save(out, "AVIF", icc_profile=profile)
    header = probe(out.getvalue())
    assert (header.mode, header.has_icc) == ("RGBA", True)


def test_depth_and_grey_stand_in_the_decoder_configuration():
    """10 and 12 bits, and monochrome, of both codecs; else in the pixel information."""

    def seen(kind: bytes, *properties: tuple[bytes, bytes]) -> tuple[int, str]:
        header = probe(put_together(b"heicmif1", [Part(kind, b"", (ispe(4, 3), *properties))]))
        return header.bit_depth, header.mode

    hevc = bytearray(23)
    hevc[16:18] = 0xFD, 0xFA
    assert seen(b"hvc1", (b"hvcC", bytes(hevc))) == (10, "RGB")
    hevc[16] = 0xFC
    assert seen(b"hvc1", (b"hvcC", bytes(hevc))) == (10, "I;16")
    assert seen(b"av01", (b"av1C", b"\x81\x00\x4c\x00")) == (10, "RGB")
    assert seen(b"av01", (b"av1C", b"\x81\x00\x7c\x00")) == (12, "I;16")
    assert seen(b"unci", (b"pixi", b"\0\0\0\0\x03\x10\x10\x10")) == (16, "RGB")
    assert seen(b"jpeg") == (8, "RGB")


@pytest.mark.parametrize(("wide", "in_meta"), [(False, False), (False, True), (True, False), (True, True)])
def test_both_versions_of_the_tables(wide, in_meta):
    """Wide numbers, and data that lies in the meta box, are read alike."""
    parts = [Part(HEVC.kind, HEVC.data, (*HEVC.properties, (b"irot", b"\1"))), Part(b"Exif", exif(3))]
    data = put_together(b"heicmif1", parts, ((b"cdsc", 2, 1),), wide=wide, in_meta=in_meta)
    header = probe(data)
    assert (header.width, header.height, header.orientation) == (128, 64, 8)
    assert header.caption == "two cats on a sofa"
    assert HeifImageFile(io.BytesIO(data), "").size == header.upright_size


def test_a_grid_has_the_size_of_the_whole_and_the_coding_of_a_tile():
    """Tiles are hidden and are no frames; depth, alpha and profile come from them where the grid says nothing."""
    tile = Part(b"hvc1", HEVC.data, (*HEVC.properties, (b"colr", b"prof" + bytes(8))), hidden=True)
    grid = Part(b"grid", struct.pack(">BBBBHH", 0, 0, 0, 1, 256, 64), (ispe(256, 64),))
    data = put_together(b"heicmif1", [tile, tile, grid], ((b"dimg", 3, 1), (b"dimg", 3, 2)), primary=3)
    header = probe(data)
    assert (header.width, header.height, header.frames, header.mode, header.has_icc) == (256, 64, 1, "RGB", True)


def test_thumbnails_and_alpha_are_no_frames():
    """Pictures that a viewer lists are counted, up to the limit; premultiplied alpha has a mode of its own."""
    alpha = Part(b"hvc1", b"", (*HEVC.properties, (b"auxC", b"\0\0\0\0urn:mpeg:hevc:2015:auxid:1\0")))
    parts = [HEVC, HEVC, HEVC, HEVC, alpha]
    references = ((b"thmb", 2, 1), (b"auxl", 5, 1))
    data = put_together(b"heicmif1", parts, references)
    assert (probe(data).frames, probe(data).mode) == (3, "RGBA")
    assert probe(data, Limits(frames=1)).frames == 2
    assert probe(put_together(b"heicmif1", parts, (*references, (b"prem", 1, 5)))).mode == "RGBa"


def track(number: int, handler: bytes, samples: int, alpha_of: int = 0) -> bytes:
    """A picture track of 100 x 60 pixels."""
    tkhd = full(b"tkhd", struct.pack(">III", 0, 0, number), bytes(60), struct.pack(">II", 100 << 16, 60 << 16))
    tref = box(b"tref", box(b"auxl", struct.pack(">I", alpha_of))) if alpha_of else b""
    hdlr = full(b"hdlr", bytes(4), handler, bytes(13))
    entry = box(b"av01", bytes(78), box(b"av1C", b"\x81\x00\x4c\x00"), box(b"colr", b"prof"))
    stsd = full(b"stsd", struct.pack(">I", 1), entry)
    stbl = box(b"stbl", stsd, full(b"stsz", struct.pack(">II", 7, samples)))
    return box(b"trak", tkhd, tref, box(b"mdia", hdlr, box(b"minf", stbl)))


def test_an_animation_is_read_from_its_track():
    """Size, frames, depth, profile and alpha of a sequence without a still picture."""
    ftyp = box(b"ftyp", b"avis", bytes(4), b"avismsf1")
    moov = box(b"moov", track(1, b"soun", 900), track(2, b"pict", 70), track(3, b"auxv", 70, alpha_of=2))
    header = probe(ftyp + moov)
    assert (header.width, header.height, header.frames, header.mode) == (100, 60, 70, "RGBA")
    assert (header.bit_depth, header.has_icc) == (10, True)
    assert probe(ftyp + moov, Limits(frames=9)).frames == 10


def test_the_brand_says_whether_the_still_picture_or_the_track_counts():
    """`avif` is a still picture even where there is a track, as libavif has it; HEIF's sequences count their frames."""
    moov = box(b"moov", track(1, b"pict", 70))
    still = put_together(b"avifmif1avis", [AV1])
    assert (probe(still + moov).frames, probe(still + moov).width) == (1, 128)
    assert probe(put_together(b"avismif1avif", [AV1]) + moov).width == 100
    assert probe(heif() + moov).frames == 1
    sequence = probe(put_together(b"hevcmsf1", [HEVC]) + moov)
    assert (sequence.format, sequence.width, sequence.frames) == ("heif", 128, 70)


def test_what_names_no_picture():
    """Without a primary item, without a size, or cut before them: a sentence."""
    for data in (heif()[:60], put_together(b"heicmif1", [HEVC], primary=9)):
        with pytest.raises(DecodeError, match="names no picture"):
            probe(data)
    with pytest.raises(DecodeError, match="no size"):
        probe(put_together(b"heicmif1", [Part(b"hvc1")]))


def test_tables_that_claim_more_than_there_is():
    """Counts of four billion cost nothing: the file's own bytes bound every loop."""
    data = bytearray(put_together(b"heicmif1", [HEVC, Part(b"Exif", exif(1))], ((b"cdsc", 2, 1),), wide=True))
    for name in (b"iloc", b"ipma", b"iinf"):
        at = data.index(name) + (10 if name == b"iloc" else 8)
        data[at : at + 4] = b"\xff\xff\xff\xff"
    assert probe(bytes(data)).width == 128
