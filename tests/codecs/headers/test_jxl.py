from __future__ import annotations

import struct

import pytest
from tests.codecs.headers.boxed import box
from tests.codecs.headers.tiffs import tiff

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError

SIGNATURE = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl ", bytes(4), b"jxl ")

RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


REAL = {
    "ff0a00101009080201009c02": ((1, 1), "RGB", 8),
    "ff0af80ffc8348080201008c": ((511, 512), "RGB", 8),
    "ff0aba210591080201008c02": ((1920, 1080), "RGB", 8),
    "ff0a58094f46009108020100": ((9000, 300), "RGB", 8),
    "ff0a98401014370208020100": ((30, 20), "L", 8),
    "ff0a9840fc24458b00130801": ((30, 20), "L", 16),
    "ff0a9840b01208081000b926": ((30, 20), "RGBA", 8),
    "ff0a98407209458b00130801": ((30, 20), "RGB", 32),
    "ff0a98404609458b00130801": ((30, 20), "RGB", 16),
    "ff0a98401450b40808020100": ((30, 20), "RGB", 10),
    "ff0a98401850b40808020100": ((30, 20), "RGB", 12),
}


class Writer:
    """Bits of a codestream, lowest first."""

    number = count = 0

    def put(self, *fields: tuple[int, int]) -> Writer:
        """Append (bits, value) one after the other."""
        for bits, value in fields:
            self.number |= value << self.count
            self.count += bits
        return self

    def stream(self) -> bytes:
        """The codestream, with some bytes behind its headers."""
        return b"\xff\x0a" + self.number.to_bytes(self.count // 8 + 1, "little") + bytes(8)


def size(writer: Writer, width: int, height: int) -> Writer:
    """A SizeHeader with sides of 30 bits each."""
    return writer.put((1, 0), (2, 3), (30, height - 1), (3, 0), (2, 3), (30, width - 1))


def usual(width: int = 30, height: int = 20) -> bytes:
    """A picture about which the header says that all is as usual."""
    return size(Writer(), width, height).put((1, 1)).stream()


def special(
    orientation: int = 1,
    *,
    depth: tuple[tuple[int, int], ...] = ((1, 0), (2, 0)),
    extra: tuple[tuple[int, int], ...] = ((2, 0),),
    colour: tuple[tuple[int, int], ...] = ((1, 1),),
    animated: bool = False,
    preview: bool = False,
    intrinsic: bool = False,
) -> bytes:
    """A picture about which the header says everything."""
    writer = size(Writer(), 30, 20).put((1, 0), (1, 1), (3, orientation - 1), (1, int(intrinsic)))
    if intrinsic:
        size(writer, 300, 200)
    writer.put((1, int(preview)))
    if preview:
        writer.put((1, 0), (2, 1), (8, 5), (3, 0), (2, 2), (10, 7))
    writer.put((1, int(animated)))
    if animated:
        writer.put((2, 2), (10, 23), (2, 0), (2, 1), (3, 4), (1, 0))
    return writer.put(*depth, (1, 1), *extra, (1, 0), *colour).stream()


def test_real_codestreams():
    """The first bytes of codestreams that libjxl wrote, of several sizes, depths and colour models."""
    for raw, expected in REAL.items():
        header = probe(bytes.fromhex(raw))
        assert ((header.width, header.height), header.mode, header.bit_depth) == expected


@pytest.mark.parametrize("side", [(1, 1), (8, 8), (30, 20), (256, 16), (65_535, 9), (1 << 30, 1 << 30)])
def test_sizes(side):
    """Explicit sizes of any length, up to a thousand million pixels a side."""
    assert (probe(usual(*side)).width, probe(usual(*side)).height) == side


@pytest.mark.parametrize("ratio", range(1, 8))
def test_sizes_by_ratio(ratio):
    """A width may be given as a ratio to the height, and a height in eighths."""
    above, below = RATIOS[ratio]
    data = Writer().put((1, 0), (2, 1), (13, 719), (3, ratio), (1, 1)).stream()
    assert (probe(data).width, probe(data).height) == (720 * above // below, 720)
    data = Writer().put((1, 1), (5, 29), (3, 0), (5, 9), (1, 1)).stream()
    assert (probe(data).width, probe(data).height) == (80, 240)
    data = Writer().put((1, 1), (5, 29), (3, ratio), (1, 1)).stream()
    assert probe(data).width == 240 * above // below


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("intrinsic", [False, True])
def test_orientation_is_the_codestream_s(orientation, preview, intrinsic):
    """All eight, whatever optional fields stand between."""
    header = probe(special(orientation, preview=preview, intrinsic=intrinsic))
    assert (header.width, header.height, header.orientation) == (30, 20, orientation)


@pytest.mark.parametrize(
    ("fields", "depth"),
    [
        (((1, 0), (2, 0)), 8),
        (((1, 0), (2, 1)), 10),
        (((1, 0), (2, 2)), 12),
        (((1, 0), (2, 3), (6, 15)), 16),
        (((1, 1), (2, 0), (4, 7)), 32),
        (((1, 1), (2, 1), (4, 4)), 16),
    ],
)
def test_depths(fields, depth):
    """Integers and floating point."""
    assert probe(special(depth=fields)).bit_depth == depth


GREY = ((1, 0), (1, 0), (2, 1))
USUAL_ALPHA = ((2, 1), (1, 1))
NAMED_ALPHA = ((2, 1), (1, 0), (2, 0), (1, 0), (2, 3), (6, 15), (2, 1), (2, 1), (4, 3), (24, 0x414141), (1, 0))
SPOT_AND_ALPHA = ((2, 2), (4, 0), (1, 0), (2, 2), (4, 0), (1, 0), (2, 0), (2, 0), (2, 0), (64, 0), (1, 1))
BLACK = ((2, 1), (1, 0), (2, 2), (4, 2), (1, 0), (2, 0), (2, 0), (2, 0))


@pytest.mark.parametrize(
    ("extra", "colour", "mode"),
    [
        (((2, 0),), GREY, "L"),
        (USUAL_ALPHA, GREY, "LA"),
        (USUAL_ALPHA, ((1, 1),), "RGBA"),
        (NAMED_ALPHA, ((1, 1),), "RGBA"),
        (SPOT_AND_ALPHA, GREY, "LA"),
        (BLACK, ((1, 1),), "CMYK"),
    ],
)
def test_colour_models(extra, colour, mode):
    """Grey, alpha and black are seen behind names and spot colours."""
    assert probe(special(extra=extra, colour=colour)).mode == mode


def test_profile():
    """A codestream says whether it carries an ICC profile."""
    header = probe(special(colour=((1, 0), (1, 1), (2, 1))))
    assert (header.has_icc, header.mode) == (True, "L")
    assert not probe(usual()).has_icc


def test_frames():
    """An animation has at least two frames; with an index of them it has as many as that says."""
    data = special(animated=True)
    assert probe(data).frames == 2
    boxed = SIGNATURE + box(b"jxli", b"\xac\x02", bytes(8)) + box(b"jxlc", data)
    assert probe(boxed).frames == 300
    assert probe(boxed, Limits(frames=10)).frames == 11
    assert probe(SIGNATURE + box(b"jxli", b"\xff" * 20) + box(b"jxlc", data)).frames == 2


def test_a_codestream_in_parts():
    """The header may be spread over boxes, with metadata between."""
    data = special(6, animated=True)
    exif = struct.pack(">I", 0) + tiff({270: (2, b"a heron\0"), 274: (3, (3,))})
    parts = [box(b"jxlp", struct.pack(">I", i), data[i : i + 1]) for i in range(len(data))]
    header = probe(SIGNATURE + parts[0] + box(b"Exif", exif) + b"".join(parts[1:]))
    assert (header.width, header.height, header.orientation, header.caption) == (30, 20, 6, "a heron")


def test_captions_of_boxes():
    """EXIF without its offset, as some write it, and XMP."""
    exif = box(b"Exif", tiff({270: (2, b"a heron\0")}))
    assert probe(SIGNATURE + box(b"jxlc", usual()) + exif).caption == "a heron"
    xmp = box(b"xml ", b"<x:xmpmeta><dc:description>an egret</dc:description></x:xmpmeta>")
    assert probe(SIGNATURE + exif + xmp + box(b"jxlc", usual())).caption == "an egret"


def test_cut():
    """Cut anywhere in its headers it is a sentence, never a size that was not written."""
    data = special(6, preview=True, intrinsic=True)[:-8]
    for end in range(2, len(data) - 1):
        with pytest.raises(DecodeError, match="ends inside its header"):
            probe(data[:end])
    with pytest.raises(DecodeError, match="before its picture"):
        probe(SIGNATURE + box(b"Exif", bytes(8)))
