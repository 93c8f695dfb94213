from __future__ import annotations

import io
import struct

import pytest
from PIL import Image, ImageCms
from tests.codecs.headers.test_metadata import XMP, dataset, resource
from tests.codecs.headers.tiffs import tiff

from nemo_curator.codecs.headers.jpeg import read_markers
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def segment(marker: int, body: bytes) -> bytes:
    """A marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def frame(components: int = 3, precision: int = 8, marker: int = 0xC0) -> bytes:
    """A frame header of 30 x 20 pixels."""
    parts = b"".join(bytes([i, 0x11, 0]) for i in range(components))
    return segment(marker, struct.pack(">BHHB", precision, 20, 30, components) + parts)


def adobe(transform: int) -> bytes:
    """Adobe's segment."""
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def jpeg(*segments: bytes) -> bytes:
    """A JPEG up to its first scan."""
    return b"\xff\xd8" + b"".join(segments) + segment(0xDA, bytes(4))


def test_every_field():
    """All that Pillow can write into one file is read back."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (30, 20)).save(out, "JPEG", exif=exif, icc_profile=PROFILE, comment="a quay", progressive=True)
    assert probe(out.getvalue()) == ImageHeader("jpeg", 30, 20, "L", 1, 6, 8, has_icc=True, caption="a quay")


@pytest.mark.parametrize(
    ("segments", "mode"),
    [
        ([frame(1)], "L"),
        ([frame(3)], "RGB"),
        ([adobe(0), frame(3)], "RGB"),
        ([frame(4)], "CMYK"),
        ([adobe(0), frame(4)], "CMYK"),
        ([adobe(1), frame(4)], "CMYK"),
        ([adobe(2), frame(4)], "YCCK"),
        ([frame(4), adobe(2)], "YCCK"),
        ([segment(0xEE, b"Adobe\0"), frame(4)], "CMYK"),
        ([segment(0xEE, b"Other" + bytes([2] * 7)), frame(4)], "CMYK"),
    ],
)
def test_inks_are_told_apart(segments, mode):
    """YCCK is what Adobe's segment says; CMYK is every other JPEG of four components."""
    assert probe(jpeg(*segments)).mode == mode


@pytest.mark.parametrize("components", [0, 2, 5, 255])
def test_other_components(components):
    """A number of components that no colour model has is a sentence."""
    with pytest.raises(DecodeError, match=f"has {components} colour components"):
        probe(jpeg(frame(components)))


@pytest.mark.parametrize("precision", [8, 12, 16])
@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA])
def test_precision_and_kind(precision, marker):
    """Every kind of frame gives its precision."""
    data = jpeg(frame(precision=precision, marker=marker))
    assert probe(data).bit_depth == precision
    assert read_markers(data).frame == marker


def test_a_precision_of_nothing():
    """No sample has zero bits."""
    with pytest.raises(DecodeError, match="0 bits a channel"):
        probe(jpeg(frame(precision=0)))


def test_captions():
    """IPTC in Photoshop's segment, XMP, EXIF and a comment; the first of each kind."""
    comment = segment(0xFE, b"of COM") + segment(0xFE, b"second")
    exif = segment(0xE1, b"Exif\0\0" + tiff({270: (2, b"of EXIF\0")}))
    photoshop = segment(0xED, b"Photoshop 3.0\0" + resource(0x0404, dataset(2, 120, b"of IPTC")))
    xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP.encode())
    assert probe(jpeg(comment, frame())).caption == "of COM"
    assert probe(jpeg(comment, exif, frame())).caption == "of EXIF"
    assert probe(jpeg(comment, exif, photoshop, frame())).caption == "of IPTC"
    header = probe(jpeg(comment, exif, photoshop, xmp, frame()))
    assert (header.caption, header.orientation) == ("Two gulls & a <crab> 🦀", 6)


def test_profile_is_seen():
    """Only the segment with the name of ICC counts."""
    assert probe(jpeg(segment(0xE2, b"ICC_PROFILE\0\x01\x01"), frame())).has_icc
    assert not probe(jpeg(segment(0xE2, b"MPF\0"), frame())).has_icc


def test_fill_bytes_are_skipped_in_large_steps():
    """A file of fill bytes costs no step for each of them."""
    for count in (1, 2, 3, 4095, 4096, 4097, 3_000_000):
        assert probe(jpeg(b"\xff" * count + frame())).width == 30
    with pytest.raises(DecodeError, match="before its size"):
        probe(b"\xff\xd8" + b"\xff" * 5000)
