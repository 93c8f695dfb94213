"""The picture track of an animated AVIF or HEIF: its size and how many pictures it holds.

Source: ISO/IEC 14496-12, sections 8.3 (trak, tkhd, tref), 8.4.3 (hdlr) and 8.7.3 (stsz); ISO/IEC 23008-12, section 7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nemo_curator.codecs.headers.boxes import boxes, find_box
from nemo_curator.codecs.headers.items import Part

_MOST_TRACKS = 64
_VISUAL_ENTRY = 78  # bytes of a VisualSampleEntry before its boxes


@dataclass(frozen=True, slots=True)
class Track:
    """One track.

    Attributes:
        number: Its number in the file.
        handler: `pict` for pictures, `auxv` for alpha or depth, `vide`, `soun`, ….
        width: In pixels, as shown.
        height: In pixels, as shown.
        samples: How many pictures it holds.
        alpha_of: Number of the track whose alpha it is, 0 for none.
        entry: Four letters of its coding: `av01`, `hvc1`, ….
        properties: The boxes that describe the coding.
    """

    number: int
    handler: bytes
    width: int
    height: int
    samples: int
    alpha_of: int
    entry: bytes
    properties: list[Part]


def read_tracks(data: bytes, start: int, end: int) -> list[Track]:
    """The tracks of a `moov` box; those that are damaged are left out.

    Args:
        data: The file.
        start: Where the content of the box begins.
        end: Where it ends.
    """
    tracks: list[Track] = []
    for kind, at, stop in boxes(data, start, end):
        if kind == b"trak" and len(tracks) < _MOST_TRACKS:
            try:
                track = _track(data, at, stop)
            except (struct.error, IndexError):  # cut
                continue
            if track is not None:
                tracks.append(track)
    return tracks


def _inside(data: bytes, place: tuple[int, int] | None, *path: bytes) -> tuple[int, int] | None:
    for name in path:
        place = find_box(data, *place, name) if place else None
    return place


def _track(data: bytes, start: int, end: int) -> Track | None:
    whole = (start, end)
    head = _inside(data, whole, b"tkhd")
    media = _inside(data, whole, b"mdia")
    handler = _inside(data, media, b"hdlr")
    table = _inside(data, media, b"minf", b"stbl")
    sizes, entries = _inside(data, table, b"stsz"), _inside(data, table, b"stsd")
    if not (head and handler and sizes and entries):
        return None
    (number,) = struct.unpack_from(">I", data, head[0] + (20 if data[head[0]] == 1 else 12))
    width, height = struct.unpack_from(">II", data, head[1] - 8)
    (samples,) = struct.unpack_from(">I", data, sizes[0] + 8)
    alpha = _inside(data, whole, b"tref", b"auxl")
    entry = next(boxes(data, entries[0] + 8, entries[1]), (b"", 0, 0))
    properties = list(boxes(data, entry[1] + _VISUAL_ENTRY, entry[2]))
    alpha_of = struct.unpack_from(">I", data, alpha[0])[0] if alpha else 0
    name = data[handler[0] + 8 : handler[0] + 12]
    return Track(number, name, width >> 16, height >> 16, samples, alpha_of, entry[0], properties)
