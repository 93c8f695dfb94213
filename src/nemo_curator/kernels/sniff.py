"""The format of an image by its first bytes; what the name says is recorded and never trusted."""

from __future__ import annotations

import re
import struct

HEAD_BYTES = 64
"""How many first bytes `sniff` looks at."""

FORMAT_EXTENSIONS: dict[str, tuple[str, ...]] = {
    "jpeg": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "png": ("png", "apng"),
    "webp": ("webp",),
    "gif": ("gif",),
    "tiff": ("tif", "tiff"),
    "bmp": ("bmp", "dib"),
    "avif": ("avif", "avifs"),
    "heif": ("heic", "heif", "heics", "heifs", "hif"),
    "jpeg2000": ("jp2", "j2k", "jpf", "jpx", "jpm", "j2c", "jpc"),
    "jxl": ("jxl",),
    "ppm": ("ppm", "pgm", "pbm", "pnm", "pam"),
    "ico": ("ico",),
    "icns": ("icns",),
    "psd": ("psd", "psb"),
    "dds": ("dds",),
    "sgi": ("sgi", "rgb", "rgba", "bw"),
    "fli": ("fli", "flc"),
}
"""Format name to its usual extensions, lower case and without the dot, the most usual first."""

# raw arrays bear these names too, so the name alone does not make a file an image
_AMBIGUOUS = {"rgb", "rgba", "bw"}

IMAGE_EXTENSIONS = frozenset(ext for exts in FORMAT_EXTENSIONS.values() for ext in exts) - _AMBIGUOUS
"""Extensions that say "this is an image", lower case and without the dot."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),  # a bare codestream
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),  # a bare codestream
    (b"8BPS\x00\x01", "psd"),
    (b"8BPS\x00\x02", "psd"),
    (b"DDS \x7c\x00\x00\x00", "dds"),
    (b"icns", "icns"),
)

_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1a\x45\xdf\xa3", "a video"),
    (b"PAR1", "Parquet"),
    (b"\x93NUMPY", "a NumPy array"),
)
_TEXTS = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"{", "JSON"),
    (b"[", "JSON"),
)

_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}
_NETPBM = re.compile(rb"P[1-6]\s+[#0-9]|P7\s+(?:[#A-Z]|332)")
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEVC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_GENERIC_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})


def sniff(head: bytes) -> str | None:
    """The image format that the first bytes are of.

    Weak signatures (BMP, ICO, SGI, FLI, Netpbm) are believed only where the fields after them make sense too, so
    that a text which happens to begin alike is none. TGA and SVG have no signature; an MPO is a JPEG, an APNG a PNG.

    Args:
        head: The first bytes of a file; 64 are enough, what follows is ignored.

    Returns:
        A key of `FORMAT_EXTENSIONS`, or None for no known image.
    """
    head = head[:HEAD_BYTES]
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _isobmff(head)
    if _NETPBM.match(head):
        return "ppm"
    for name, looks in (("bmp", _is_bmp), ("ico", _is_ico), ("sgi", _is_sgi), ("fli", _is_fli)):
        if looks(head):
            return name
    return None


def looks_like(head: bytes) -> str:
    """What the first bytes of a file that is no image are of, in a word for a person, or "".

    Args:
        head: The first bytes of a file.
    """
    for signature, what in _OTHERS:
        if head.startswith(signature):
            return what
    if head[4:8] == b"ftyp":
        return "a video"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((what for begin, what in _TEXTS if text.startswith(begin)), "")


def extension_of(name: str) -> str:
    """What follows the last dot of a file's name, lower case; "" where there is none (a leading dot is none)."""
    base = name.rsplit("/", 1)[-1]
    stem, dot, extension = base.rpartition(".")
    return extension.lower() if dot and stem else ""


def is_mislabelled(name: str, image_format: str) -> bool:
    """Whether a file's name says that it is an image of another format than it is.

    Args:
        name: Name or path.
        image_format: What `sniff` said.
    """
    extension = extension_of(name)
    return extension in IMAGE_EXTENSIONS and extension not in FORMAT_EXTENSIONS.get(image_format, ())


def _isobmff(head: bytes) -> str | None:
    """AVIF or HEIF by the brands of a file type box: the major one, then (for generic ones) the compatible ones."""
    size = int.from_bytes(head[:4], "big")
    end = min(size, len(head)) if size >= 16 else len(head)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] in _AVIF_BRANDS:
        return "avif"
    if brands[0] in _HEVC_BRANDS:
        return "heif"
    # a generic brand, or one of a maker's own: the compatible ones tell
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "avif"
    return "heif" if brands[0] in _GENERIC_BRANDS or any(brand in _HEVC_BRANDS for brand in brands) else None


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES


def _is_ico(head: bytes) -> bool:
    if head[:4] != b"\x00\x00\x01\x00" or len(head) < 22:
        return False
    count, reserved, size, offset = struct.unpack_from("<H3xB4xII", head, 4)
    return bool(count > 0 and reserved == 0 and size > 0 and offset >= 6 + 16 * count)


def _is_sgi(head: bytes) -> bool:
    if head[:2] != b"\x01\xda" or len(head) < 12:
        return False
    storage, sample_bytes, dimensions = struct.unpack_from(">BBH", head, 2)
    return storage in {0, 1} and sample_bytes in {1, 2} and dimensions in {1, 2, 3}


def _is_fli(head: bytes) -> bool:
    if head[4:6] not in {b"\x11\xaf", b"\x12\xaf"} or len(head) < 16:
        return False
    frames, width, height, flags = struct.unpack_from("<3H2xH", head, 6)
    return min(frames, width, height) > 0 and flags in {0, 3}
