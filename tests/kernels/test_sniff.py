from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from nemo_curator.kernels.sniff import (
    FORMAT_EXTENSIONS,
    IMAGE_EXTENSIONS,
    extension_of,
    is_mislabelled,
    looks_like,
    sniff,
)

PILLOW = {
    "jpeg": {"format": "JPEG"},
    "png": {"format": "PNG"},
    "gif": {"format": "GIF"},
    "webp": {"format": "WEBP"},
    "tiff": {"format": "TIFF"},
    "bmp": {"format": "BMP"},
    "avif": {"format": "AVIF"},
    "jpeg2000": {"format": "JPEG2000"},
    "ico": {"format": "ICO"},
    "ppm": {"format": "PPM"},
    "dds": {"format": "DDS"},
    "sgi": {"format": "SGI"},
    "icns": {"format": "ICNS"},
}


@pytest.mark.parametrize("name", PILLOW)
def test_what_pillow_writes_is_recognised(name):
    """The files of an independent encoder are known by their first 64 bytes."""
    if name in {"avif", "webp"} and not features.check(name):
        pytest.skip(f"this Pillow writes no {name}")
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 30)).save(file, **PILLOW[name])
    assert sniff(file.getvalue()[:64]) == name


HEADS = {
    "apng": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "png"),
    "big-endian tiff": (b"MM\0*\0\0\0\x08", "tiff"),
    "bigtiff": (b"II+\0\x08\0\0\0", "tiff"),
    "big-endian bigtiff": (b"MM\0+\0\x08\0\0", "tiff"),
    "avif": (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", "avif"),
    "avif sequence": (b"\0\0\0\x20ftypavis\0\0\0\0avis", "avif"),
    "generic brand, avif inside": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "avif"),
    "avif named after the box": (b"\0\0\0\x14ftypmif1\0\0\0\0mif1avif", "heif"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif"),
    "generic brand": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif"),
    "mp4": (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2", None),
    "jpeg 2000 codestream": (b"\xff\x4f\xff\x51\0\x2f", "jpeg2000"),
    "jpeg xl codestream": (b"\xff\x0a\xfa\x7f", "jxl"),
    "jpeg xl container": (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    "psd": (b"8BPS\0\x01", "psd"),
    "psb": (b"8BPS\0\x02", "psd"),
    "pbm": (b"P1\n# comment\n1 1\n0", "ppm"),
    "pgm": (b"P5 10 10 255\n", "ppm"),
    "pam": (b"P7\nWIDTH 10\n", "ppm"),
    "os/2 bmp": (b"BM\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0", "bmp"),
    "fli": (b"\0\x10\0\0\x11\xaf\x0a\0\x40\x01\xc8\0\x08\0\x03\0", "fli"),
    "flc": (b"\0\x10\0\0\x12\xaf\x0a\0\x40\x01\xc8\0\x08\0\x03\0", "fli"),
    "riff but sound": (b"RIFF\0\0\0\0WAVEfmt ", None),
    "text that begins like a bmp": (b"BMW and other cars are", None),
    "text that begins like a ppm": (b"P1 was the first of", None),
    "text that begins like a pam": (b"P7 was the last of", None),
    "cursor": (b"\0\0\x02\0\x01\0\x20\x20\0\0\x01\0\x20\0\x30\0\0\0\x16\0\0\0", None),
    "zeros": (bytes(64), None),
    "icon without entries": (b"\0\0\x01\0" + bytes(40), None),
    "half a jpeg signature": (b"\xff\xd8", None),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
    "tga": (b"\0\0\x02\0\0\0\0\0\0\0\0\0\x40\0\x40\0\x18\0", None),
    "json": (b'{"caption": "a"}', None),
    "nothing": (b"", None),
}


@pytest.mark.parametrize("case", HEADS)
def test_signatures(case):
    """Each variant of a format, and what only looks like one."""
    head, expected = HEADS[case]
    assert sniff(head) == expected


@given(st.binary(max_size=100))
def test_any_bytes_are_answered_from_the_first_64(data):
    """No bytes make it raise, the answer is a known format or none, and only 64 bytes count."""
    found = sniff(data)
    assert found is None or found in FORMAT_EXTENSIONS
    assert found == sniff(data[:64])


@given(st.sampled_from([head for head, _ in HEADS.values()]), st.integers(0, 40))
def test_any_cut_of_a_head_is_answered(head, length):
    """A file shorter than its signature's fields is no image, and no error."""
    assert sniff(head[:length]) in {None, *FORMAT_EXTENSIONS}


def test_no_extension_belongs_to_two_formats():
    """The table can be read backwards."""
    every = [extension for extensions in FORMAT_EXTENSIONS.values() for extension in extensions]
    assert len(every) == len(set(every))
    assert set(every) > IMAGE_EXTENSIONS > {"jpg", "jpeg", "png", "webp", "heic", "avif"}


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a/b.JPG", "jpg"), ("a.b/c", ""), (".jpg", ""), ("x.tar.gz", "gz"), ("a.", ""), ("", ""), ("a.b.jPeG", "jpeg")],
)
def test_extension_of(name, extension):
    """What follows the last dot of the base name; a leading dot hides a file, it does not type it."""
    assert extension_of(name) == extension


@pytest.mark.parametrize(
    ("name", "image_format", "expected"),
    [
        ("a.jpg", "jpeg", False),
        ("a.JPEG", "jpeg", False),
        ("a.png", "jpeg", True),
        ("a.seg.png", "png", False),
        ("a.mpo", "jpeg", False),
        ("a", "jpeg", False),
        ("a.bin", "jpeg", False),
        ("a.jpg", "unheard of", True),
    ],
)
def test_is_mislabelled(name, image_format, expected):
    """Only a name that claims another image format lies."""
    assert is_mislabelled(name, image_format) is expected


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\xef\xbb\xbf\n <html lang='en'>", "HTML"),
        (b"<?xml version='1.0'?><svg>", "XML or SVG"),
        (b'{"error": 404}', "JSON"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"plain words", ""),
        (b"", ""),
    ],
)
def test_what_is_no_image_is_named_where_it_can_be(head, what):
    """A crawl's error pages, archives and videos are told for what they are."""
    assert looks_like(head) == what
