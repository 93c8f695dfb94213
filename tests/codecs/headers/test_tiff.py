from __future__ import annotations

import io

import pytest
from PIL import Image, TiffImagePlugin
from tests.codecs.headers.tiffs import picture, tiff

from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

KEYS = list(TiffImagePlugin.OPEN_INFO)


@pytest.mark.parametrize("compression", [1, 5, 6, 7])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_modes_are_those_of_pillow(compression):
    """Every layout of pixels that Pillow reads has the mode that Pillow gives it, in TIFF and BigTIFF."""
    compared = 0
    for mark, photometric, kind, fill, bits, extra in KEYS:
        for planes in (1, 2):
            tags = picture(t258=(3, bits), t259=(3, (compression,)), t262=(3, (photometric,)), t266=(3, (fill,)))
            tags |= {277: (3, (len(bits),)), 284: (3, (planes,)), 339: (3, kind)}
            if extra:
                tags[338] = 3, extra
            for big in (False, True):
                data = tiff(tags, "<" if mark == b"II" else ">", big=big)
                try:
                    image = TiffImagePlugin.TiffImageFile(io.BytesIO(data), "")
                except (SyntaxError, TypeError):  # it knows no big-endian BigTIFF, nor all layouts of old JPEG
                    continue
                header = probe(data)
                assert (header.mode, header.width, header.height) == (image.mode, 4, 3), (photometric, bits, extra)
                assert header.bit_depth == bits[0]
                compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    ("tags", "mode"),
    [
        (picture(t258=(3, (16,)), t262=(3, (1,)), t339=(3, (3,))), "F"),
        (picture(t258=(3, (64,)), t262=(3, (1,)), t339=(3, (3,))), "F"),
        (picture(t258=(3, (10,)), t262=(3, (1,))), "I;16"),
        (picture(t258=(3, (24,)), t262=(3, (1,))), "I"),
        (picture(t258=(3, (32, 32, 32)), t262=(3, (2,)), t277=(3, (3,))), "RGB"),
        (picture(t258=(3, (8, 8, 8)), t262=(3, (9,)), t277=(3, (3,))), "LAB"),
        (picture(t258=(3, (16,)), t262=(3, (32803,))), "I;16"),
        (picture(t258=(3, (1,)), t262=(3, (4,))), "1"),
    ],
)
def test_what_pillow_does_not_know_has_the_nearest_mode(tags, mode):
    """A header is no place to refuse a layout: the decoder does that."""
    assert probe(tiff(tags)).mode == mode


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_every_field(order, big):
    """Orientation, profile and caption are read in both byte orders, in TIFF and BigTIFF."""
    more = {"t270": (2, b"a ferry at dawn\0"), "t274": (3, (7,)), "t34675": (7, bytes(200))}
    data = tiff(picture(40, 30, t258=(3, (8,)), t262=(3, (1,)), **more), order, big=big)
    assert probe(data) == ImageHeader("tiff", 40, 30, "L", 1, 7, 8, True, "a ferry at dawn")  # noqa: FBT003 - all fields


def test_metadata_blocks_of_a_page():
    """XMP, IPTC, and IPTC within Photoshop's resources are found."""
    xmp = b'<x:xmpmeta><dc:description>of XMP</dc:description> tiff:Orientation="6"</x:xmpmeta>'
    iptc = b"\x1c\x02\x78\0\x07of IPTC"
    resources = b"8BIM\x04\x04\0\0\0\0\0\x0c" + iptc
    assert probe(tiff(picture(t700=(1, xmp), t33723=(7, iptc)))).caption == "of XMP"
    assert probe(tiff(picture(t700=(1, xmp)))).orientation == 6
    assert probe(tiff(picture(t33723=(7, iptc), t270=(2, b"of EXIF\0")))).caption == "of IPTC"
    assert probe(tiff(picture(t34377=(7, resources)))).caption == "of IPTC"


def test_exif_directory_of_a_page():
    """The user comment of a TIFF's EXIF directory is a caption too."""
    assert probe(tiff(picture(), inner={0x9286: (7, b"ASCII\0\0\0a comment")})).caption == "a comment"


def test_the_first_of_two_equal_tags_counts():
    """As Pillow and libtiff have it."""
    data = bytearray(tiff({**picture(), 298: (4, (99,))}))
    at = data.index(b"\x2a\x01\x04\x00")
    data[at : at + 2] = b"\x00\x01"
    assert probe(bytes(data)).width == 4


def test_pages_of_both_kinds_are_counted():
    """Pillow's own files of several pages, TIFF and BigTIFF."""
    pages = [Image.new("L", (5, 4), i) for i in range(6)]
    for big in (False, True):
        out = io.BytesIO()
        pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], big_tiff=big)
        assert probe(out.getvalue()).frames == 6


@pytest.mark.parametrize(
    "data", [b"II*\0", b"II*\0\xff\xff\xff\x7f", b"II*\0\x08\0\0\0\xff\xff", tiff({262: (3, (1,))})]
)
def test_without_a_size(data):
    """A directory that is cut, elsewhere or without a size is a sentence."""
    with pytest.raises(DecodeError, match=r"ends inside|gives no size"):
        probe(data)


def test_bits_that_no_file_has():
    """A depth of zero or thousands would upset whoever computes with it."""
    for bits in (0, 65, 4711):
        with pytest.raises(DecodeError, match="bits a channel"):
            probe(tiff(picture(t258=(3, (bits,)))))
