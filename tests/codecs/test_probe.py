from __future__ import annotations

import io
import pickle
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.codecs.headers.boxed import coded, put_together

from nemo_curator.codecs.headers.gif import read_gif
from nemo_curator.codecs.headers.tiff import count_pages
from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.plugins import open_lazily
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import DecodeError, NotAnImageError, SampleError
from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.sniff import sniff

FORMATS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WEBP",
    "gif": "GIF",
    "tiff": "TIFF",
    "bmp": "BMP",
    "avif": "AVIF",
    "jpeg2000": "JPEG2000",
    "ppm": "PPM",
    "ico": "ICO",
    "sgi": "SGI",
    "dds": "DDS",
    "icns": "ICNS",
}


def encoded(image: Image.Image, fmt: str, **options: object) -> bytes:
    """The bytes that Pillow writes."""
    out = io.BytesIO()
    image.save(out, fmt, **options)
    return out.getvalue()


def picture(mode: str = "RGB", size: tuple[int, int] = (30, 20)) -> Image.Image:
    """A gradient in any mode."""
    return Image.linear_gradient("L").resize(size).convert("RGB").convert(mode)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_probed(name):
    """Format and size are right for every format that can be written here."""
    size = {"ico": (32, 32), "icns": (1024, 1024)}.get(name, (30, 20))  # Pillow writes every icon size
    options = {"sizes": [size]} if name == "ico" else {}
    header = probe(encoded(picture(size=size), FORMATS[name], **options))
    assert header.format == name
    assert (header.width, header.height) == size
    assert (header.frames, header.orientation) == (1, 1)


def test_heif_is_probed(odd_files):
    """A real HEIF file is read by its boxes."""
    header = probe(odd_files["avif/hopper.heif"])
    assert (header.format, header.width, header.height, header.orientation) == ("heif", 128, 128, 1)


@pytest.mark.parametrize(("mode", "expected"), [("L", "L"), ("RGB", "RGB"), ("CMYK", "CMYK")])
def test_jpeg_mode_is_the_number_of_components(mode, expected):
    """Grey, colour and CMYK JPEGs are told apart."""
    assert probe(encoded(picture(mode), "JPEG")).mode == expected


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_read(fmt, orientation):
    """All eight EXIF orientations are read, and the stored size stays the stored size."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    header = probe(encoded(picture(), fmt, exif=exif))
    assert header.orientation == orientation
    assert (header.width, header.height) == (30, 20)
    assert header.upright_size == ((20, 30) if orientation >= 5 else (30, 20))


@pytest.mark.parametrize("value", [0, 9, 4711])
def test_invalid_orientation_is_none(value):
    """What is no orientation counts as upright."""
    exif = Image.Exif()
    exif[0x0112] = value
    assert probe(encoded(picture(), "JPEG", exif=exif)).orientation == 1


def test_orientation_from_xmp():
    """XMP is asked where EXIF says nothing, as Pillow does."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert probe(encoded(picture(), "JPEG", xmp=xmp)).orientation == 6
    assert probe(encoded(picture(), "WEBP", xmp=xmp)).orientation == 6


def test_png_exif_behind_the_pixels_is_found():
    """An eXIf chunk after IDAT counts although the lazy parser does not reach it."""
    exif = Image.Exif()
    exif[0x0112] = 8
    body = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    data = encoded(picture(), "PNG")
    assert probe(data[:-12] + chunk + data[-12:]).orientation == 8


@pytest.mark.parametrize(("fmt", "frames"), [("GIF", 7), ("WEBP", 7), ("PNG", 7), ("TIFF", 7), ("AVIF", 7)])
def test_frames_are_counted(fmt, frames):
    """Animations and pages are counted without decoding them."""
    pictures = [picture().rotate(10 * i) for i in range(frames)]
    data = encoded(pictures[0], fmt, save_all=True, append_images=pictures[1:])
    assert probe(data).frames == frames
    assert probe(data, Limits(frames=3)).frames == 4  # one past the limit is enough to refuse it


def test_a_long_animation_is_not_walked_to_its_end():
    """Counting stops one past the limit, whatever the file goes on to say."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x01\x44\x00"
    assert read_gif(head + frame * 200_000 + b";", "gif", 101).frames == 101


def test_tiff_chain_that_bites_its_tail_ends():
    """A directory that names itself as the next one is counted once."""
    data = b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", 0) + struct.pack("<I", 8)
    assert count_pages(data, 1000) == 1


def test_a_size_is_that_of_the_first_frame_where_it_is_larger_than_the_screen():
    """A GIF whose frame sticks out of its screen is judged by the frame."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
    frame = b"\x2c" + struct.pack("<HHHHB", 10, 20, 40_000, 50_000, 0) + b"\x02\x00;"
    header = probe(head + frame)
    assert (header.width, header.height) == (40_010, 50_020)


def test_icon_that_understates_its_picture():
    """The directory says 16 x 16, the PNG inside says otherwise: the PNG counts."""
    png = encoded(Image.new("L", (3000, 2000)), "PNG")
    data = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22) + png
    header = probe(data)
    assert (header.width, header.height) == (3000, 2000)


@pytest.mark.parametrize("data", [b"", b"hello, world", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bytes(500)])
def test_what_is_no_image(data):
    """Other bytes are one clear sentence."""
    with pytest.raises(NotAnImageError):
        probe(data)


def test_jpeg_without_a_frame():
    """A JPEG that ends before its size is a decode error, not a crash."""
    with pytest.raises(DecodeError, match="before its size"):
        probe(encoded(picture(), "JPEG")[:100])


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        *((brand, "heif") for brand in ["heic", "heix", "hevc", "hevx", "heim", "heis", "hevm", "hevs"]),
        *((brand, "heif") for brand in ["mif1", "mif2", "msf1"]),
        *((brand, "avif") for brand in ["avif", "avis"]),
        ("mif1 miaf avif", "avif"),
        ("msf1 avis", "avif"),
        ("mif1 miaf heic", "heif"),
        ("MiHB MiHE heic", "heif"),
        ("MA1B mif1 avif", "avif"),
        ("heic mif1 avif", "heif"),
        ("isom mp41", None),
        ("crx  isom", None),
    ],
)
def test_brands(brands, expected):
    """AVIF and HEIF by the major brand, else by the compatible ones; films and raw photographs are neither."""
    major, *others = (brand.encode().ljust(4) for brand in brands.split(" ") if brand)
    listed = b"".join(others)
    assert sniff(struct.pack(">I", 16 + len(listed)) + b"ftyp" + major + bytes(4) + listed + b"junk") == expected


def pillow_says(data: bytes, name: str) -> tuple[object, ...]:
    """Size, mode, frames and orientation by the lazy parser of Pillow or pillow-heif."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = open_lazily(data, name)
        orientation = image.getexif().get(0x0112, 1)
        size = image.size[::-1] if name == "tiff" and orientation >= 5 else image.size
        frames = 1 if name in {"jpeg", "psd"} else getattr(image, "n_frames", 1)
        return size, image.mode, frames, orientation if orientation in range(1, 9) else 1


def we_say(data: bytes) -> tuple[object, ...]:
    """The same of the probe, in Pillow's words."""
    header = probe(data)
    size = header.upright_size if header.format == "heif" else (header.width, header.height)
    orientation = 1 if header.format == "heif" else header.orientation
    return size, header.mode.replace("YCCK", "CMYK"), header.frames, orientation


def test_headers_agree_with_pillow(odd_files, photo_files, shared_data):
    """Size, mode, frames and orientation agree with Pillow's on every real file."""
    kodak = {path.name: path.read_bytes() for path in sorted((shared_data / "kodak").glob("*.png"))}
    files = {**odd_files, **kodak, **{f"photo {i}": data for i, data in enumerate(photo_files)}}
    for name, data in files.items():
        if name == "pillow/hopper_webp.tif":  # Pillow's wheels have no decoder for it
            continue
        ours, theirs = we_say(data), pillow_says(data, sniff(data))
        if sniff(data) == "gif":  # Pillow may call a palette of greys L
            ours, theirs = (ours[0], *ours[2:]), (theirs[0], *theirs[2:])
        assert ours == theirs, name


def test_hostile_files_are_headers_or_sentences(shared_data):
    """No hostile file makes the probe raise anything but its own errors; where both read it, the size is Pillow's."""
    compared = 0
    for path in sorted(path for path in (shared_data / "hostile").rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            ours = we_say(data)
        except SampleError as error:
            assert "\n" not in str(error), path.name  # noqa: PT017 - either outcome is right
            continue
        try:
            theirs = pillow_says(data, sniff(data))
        except Exception:  # noqa: BLE001, S112 - hostile bytes make Pillow raise anything
            continue
        if sniff(data) != "gif" or theirs[0] == ours[0]:
            assert ours[0] == theirs[0], path.name
        compared += 1
    assert compared > 100


MADE = [
    *(encoded(picture(), fmt) for fmt in sorted(set(FORMATS.values()) - {"ICNS"})),
    encoded(picture(), "PNG", save_all=True, append_images=[picture().rotate(9)]),
    encoded(picture(), "TIFF", big_tiff=True),
    encoded(picture(), "JPEG2000", no_jp2=True),
    encoded(picture("CMYK"), "JPEG"),
    bytes.fromhex("ff0a98407209458b00130801"),
]
SIGNATURES = sorted({data[:16] for data in MADE} | {b"\xff\x0a", b"P1 1 ", b"P7\nW", b"8BPS\0\1", b"icns"})


def header_or_sentence(data: bytes) -> None:
    """Assert that the probe has one of its two outcomes."""
    try:
        header = probe(data)
    except SampleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(header, ImageHeader)
        assert min(header.width, header.height, header.frames) > 0
        assert 1 <= header.orientation <= 8
        assert 1 <= header.bit_depth <= 64
        header.caption.encode()


@given(st.data())
def test_any_damage_is_a_sample_error(data):
    """Cut and mutated headers give a header or a `SampleError`, nothing else."""
    raw = bytearray(data.draw(st.sampled_from(MADE)))
    for at in data.draw(st.lists(st.integers(0, min(len(raw) - 1, 300)), max_size=8)):
        raw[at] = data.draw(st.integers(0, 255))
    header_or_sentence(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@given(st.sampled_from(SIGNATURES), st.integers(2, 16), st.binary(max_size=600))
def test_any_bytes_behind_a_signature(signature, length, rest):
    """Rubbish that begins like a picture gives a header or a `SampleError`, nothing else."""
    header_or_sentence(signature[:length] + rest)


@pytest.mark.parametrize(
    "piece", [b"\0", b"\xff", b"\0\0\0\x08free", b"\0\0\0\0AAAA", b"\xff\xe1\0\2", b"\x21\xfe\1x\0"]
)
def test_long_rubbish_is_bounded_work(piece):
    """Half a megabyte of tiny chunks, boxes, segments or blocks behind each signature end, without much memory."""
    tracemalloc.start()
    try:
        for signature in SIGNATURES:
            if signature[:4] != b"icns":  # that is Pillow's
                header_or_sentence(signature + piece * (500_000 // len(piece)))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


# the decoders are not even importable here
POISONED = """
import sys, pickle, types
class Poison(types.ModuleType):
    def __getattr__(self, name):
        raise AssertionError(f"{self.__name__} was asked for {name}")
for name in ("simplejpeg", "pillow_heif", "_pillow_heif", "PIL._avif", "PIL._webp", "PIL._imagingcms"):
    sys.modules[name] = None  # importing it is an ImportError
from nemo_curator.codecs import plugins, probe
before = set(sys.modules)
def refuse(*_): raise AssertionError("a decoder was opened")
probe.open_lazily = plugins.open_lazily = refuse
from PIL import Image, ImageFile
Image.core = Poison("PIL._imaging")
ImageFile.ImageFile.__init__ = refuse
for data in pickle.load(sys.stdin.buffer):
    probe.probe(data)
print(*sorted(name for name in set(sys.modules) - before if "PIL" in name))
"""


def test_no_decoder_sees_the_bytes():
    """Formats with a parser of our own are probed in a process where every native decoder is poisoned."""
    pillow_only = {"SGI", "DDS", "ICNS"}
    files = [encoded(picture(), fmt) for fmt in sorted(set(FORMATS.values()) - pillow_only)]
    files += [bytes.fromhex("ff0a98407209458b00130801"), put_together(b"heicmif1", [coded("heif")])]
    command = [sys.executable, "-W", "error", "-c", POISONED]
    done = subprocess.run(command, input=pickle.dumps(files), capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert done.stdout.split() == []


def test_probe_does_not_need_the_pixels():
    """The first kilobytes of a large picture are enough."""
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    for fmt in ("JPEG", "PNG", "WEBP"):
        header = probe(encoded(Image.fromarray(noise), fmt)[:2000])
        assert (header.width, header.height) == (800, 600)


def test_a_side_longer_than_any_format_has_is_refused():
    """A BigTIFF may claim a width of 2^63, which no column could hold."""
    entries = [(256, 16, 2**63), (257, 4, 34), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    body = b"".join(struct.pack("<HHQQ", tag, kind, 1, value) for tag, kind, value in entries)
    data = b"II+\0" + struct.pack("<HHQ", 8, 0, 16) + struct.pack("<Q", len(entries)) + body + bytes(8)
    with pytest.raises(DecodeError, match="9223372036854775808 x 34 pixels"):
        probe(data)
