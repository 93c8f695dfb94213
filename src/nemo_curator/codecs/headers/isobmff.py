"""AVIF and HEIF: size, turns, depth, alpha, frames and metadata, from boxes alone.

The two differ in who turns the picture. AVIF's decoder gives it as stored, so its rotation and mirror boxes are
reported as the EXIF orientation of the same effect, in the order that MIAF fixes. So are HEIF's, in the order in which
the file lists them; its decoder applies them itself, and its EXIF orientation is for information only.

Source: ISO/IEC 23008-12 (HEIF), sections 6.5 and 6.6; ISO/IEC 23000-22 (MIAF), section 7.3.6.7; AV1 Image File Format
1.1; ISO/IEC 14496-15, section 8.3 (hvcC).
"""

from __future__ import annotations

import struct

from nemo_curator.codecs.headers.boxes import boxes
from nemo_curator.codecs.headers.exif import behind_offset
from nemo_curator.codecs.headers.items import Items, Part, content_of, read_items
from nemo_curator.codecs.headers.metadata import Blocks, Said, said_by
from nemo_curator.codecs.headers.tracks import Track, read_tracks
from nemo_curator.codecs.headers.turns import TRANSFORMS, Placement, exif_of_avif
from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_PICTURES = frozenset(
    {b"av01", b"hvc1", b"avc1", b"vvc1", b"j2k1", b"jpeg", b"unci", b"mski", b"grid", b"iovl", b"iden", b"tili"}
)
_DERIVED = frozenset({b"grid", b"iovl", b"iden"})
_SEQUENCES = frozenset({b"msf1", b"hevc", b"hevx", b"hevm", b"hevs", b"avis"})
_MOST_TURNS, _LONGEST_TURN = 16, 32  # a picture is cropped, turned and mirrored once; bytes of the longest box
_ICC = frozenset({b"prof", b"rICC"})
_ALPHAS = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:avc:2015:auxid:1")


def read_isobmff(data: bytes, name: str, most_frames: int) -> ImageHeader:
    """The header of an AVIF or a HEIF.

    Args:
        data: The file.
        name: `avif` or `heif`.
        most_frames: Where to stop counting frames.

    Returns:
        Its header: of the primary item, or of the picture track of an animation.

    Raises:
        DecodeError: There is no item or track that gives a size.
    """
    found, tracks = Items(), list[Track]()
    for kind, at, end in boxes(data, 0, len(data)):
        if kind == b"meta" and not found.items:
            found = read_items(data, at, end)
        elif kind == b"moov" and not tracks:
            tracks = read_tracks(data, at, end)
    track = _main_track(tracks, data[8:12], name, has_item=found.primary in found.items)
    blocks = blocks_of(found, data)
    if name == "avif" and track:
        return _of_track(track, tracks, data, name, blocks, most_frames)
    if found.primary in found.items:
        samples = track.samples if track else 0
        return _of_item(found, data, name, blocks, most_frames, samples)
    if track:
        return _of_track(track, tracks, data, name, blocks, most_frames)
    raise DecodeError(f"the {name.upper()} names no picture, or ends before it does")


def _main_track(tracks: list[Track], brand: bytes, name: str, *, has_item: bool) -> Track | None:
    """The track that counts: of an AVIF, unless its brand says that it is a still picture; of a HEIF sequence."""
    if has_item and brand not in _SEQUENCES and (name == "heif" or brand == b"avif"):
        return None
    return next((track for track in tracks if track.handler == b"pict" and not track.alpha_of), None)


def _of_track(
    track: Track, tracks: list[Track], data: bytes, name: str, blocks: Blocks, most_frames: int
) -> ImageHeader:
    alpha = any(other.alpha_of == track.number and other.handler == b"auxv" for other in tracks)
    depth, grey = _coding(track.properties, data)
    blocks.has_icc = _has_icc(track.properties, data)
    said = said_by(blocks)
    return ImageHeader(
        name,
        track.width,
        track.height,
        _mode(name, depth, alpha=alpha, grey=grey),
        min(max(track.samples, 1), most_frames),
        _turned(track.properties, data, said) if name == "avif" else 1,
        depth,
        blocks.has_icc,
        said.caption,
    )


def _of_item(found: Items, data: bytes, name: str, blocks: Blocks, most_frames: int, samples: int) -> ImageHeader:
    properties = found.properties.get(found.primary, [])
    tile = _first_tile(found)
    coding = found.properties.get(tile, []) if tile != found.primary else properties
    depth, grey = _coding(coding, data)
    blocks.has_icc = _has_icc(properties, data) or (tile != found.primary and _has_icc(coding, data))
    said = said_by(blocks)
    size = _size(properties, data)
    if size is None:
        raise DecodeError(f"the {name.upper()} gives no size for its picture")
    coded = size[0] * size[1]
    if name == "avif":
        width, height = size
        orientation = _turned(properties, data, said)
    else:
        placed = Placement(*size)
        turns = [part for part in properties if part[0] in TRANSFORMS][:_MOST_TURNS]
        for kind, at, end in turns:
            placed.apply(kind, data[at : min(end, at + _LONGEST_TURN)])
        width, height, orientation = placed.stored()
    alpha = _has_alpha(found, data, {found.primary, tile})
    frames = min(max(samples, _pictures(found), 1) if name == "heif" else 1, most_frames)
    mode = _mode(name, depth, alpha=alpha, grey=grey)
    if mode == "RGBA" and name == "heif" and any(kind == b"prem" for kind, _, _ in found.references):
        mode = "RGBa"
    coded = coded if coded > width * height else 0
    return ImageHeader(name, width, height, mode, frames, orientation, depth, blocks.has_icc, said.caption, coded)


def _mode(name: str, depth: int, *, alpha: bool, grey: bool) -> str:
    """In the words of the two decoders: both make RGBA of grey with alpha, and AVIF's makes 8 bits of all grey."""
    if alpha:
        return "RGBA"
    if grey:
        return "I;16" if depth > 8 and name == "heif" else "L"
    return "RGB"


def _turned(properties: list[Part], data: bytes, said: Said) -> int:
    """AVIF: its own boxes have the word; where they say nothing, EXIF that turns is overruled, XMP is not."""
    own = exif_of_avif({kind: data[at] for kind, at, end in properties if kind in {b"irot", b"imir"} and at < end})
    if own != 1 or said.exif_orientation is not None:
        return own
    return said.orientation


def _size(properties: list[Part], data: bytes) -> tuple[int, int] | None:
    for kind, at, end in properties:
        if kind == b"ispe" and end - at >= 12:
            width, height = struct.unpack_from(">II", data, at + 4)
            return width, height
    return None


def _coding(properties: list[Part], data: bytes) -> tuple[int, bool]:
    """(bits a channel, whether it is grey) from the decoder's configuration, else from the pixel information."""
    depth, grey = 8, False
    for kind, at, end in properties:
        if kind == b"av1C" and end - at >= 4:
            high, twelve = data[at + 2] & 0x40, data[at + 2] & 0x20
            return (12 if twelve else 10) if high else 8, bool(data[at + 2] & 0x10)
        if kind == b"hvcC" and end - at >= 19:
            return 8 + (data[at + 17] & 7), data[at + 16] & 3 == 0
        if kind == b"pixi" and end - at >= 6:
            depth, grey = data[at + 5] or 8, data[at + 4] == 1
    return depth, grey


def _has_icc(properties: list[Part], data: bytes) -> bool:
    return any(kind == b"colr" and data[at : at + 4] in _ICC for kind, at, _ in properties)


def _first_tile(found: Items) -> int:
    """The coded item behind a derived one: how a picture of tiles is coded, its first tile tells."""
    number = found.primary
    for _ in range(4):  # an identity of a grid of tiles is the deepest that makes sense
        item = found.items.get(number)
        if item is None or item.kind not in _DERIVED:
            break
        number = next((to for kind, start, to in found.references if kind == b"dimg" and start == number), number)
    return number


def _has_alpha(found: Items, data: bytes, pictures: set[int]) -> bool:
    for kind, source, target in found.references:
        if kind == b"auxl" and target in pictures:
            for name, at, end in found.properties.get(source, []):
                if name == b"auxC" and data[at + 4 : end].startswith(_ALPHAS):
                    return True
    return False


def _pictures(found: Items) -> int:
    """How many pictures a viewer would list: not thumbnails, alpha, tiles and others that are hidden."""
    parts = {source for kind, source, _ in found.references if kind in {b"thmb", b"auxl"}}
    shown = (number for number, item in found.items.items() if item.kind in _PICTURES and not item.hidden)
    return sum(number not in parts for number in shown)


def blocks_of(found: Items, data: bytes) -> Blocks:
    """EXIF and XMP; of several, those that describe the primary item.

    Args:
        found: The tables of the file.
        data: The file.
    """
    blocks = Blocks()
    described = {source for kind, source, to in found.references if kind == b"cdsc" and to == found.primary}
    metadata = [(number, item) for number, item in found.items.items() if item.kind in {b"Exif", b"mime"}]
    for number, item in sorted(metadata, key=lambda pair: pair[0] not in described)[:8]:
        if item.kind == b"Exif" and not blocks.exif:
            blocks.exif = behind_offset(content_of(found, data, number))
        elif item.content == b"application/rdf+xml" and not blocks.xmp:
            blocks.xmp = content_of(found, data, number)
    return blocks
