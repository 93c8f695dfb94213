"""The header of a Netpbm file: a number and a few decimal words, or PAM's lines.

Source: Netpbm, "PBM/PGM/PPM/PAM Format Specification".
"""

from __future__ import annotations

import re

from nemo_curator.errors import DecodeError
from nemo_curator.kernels.header import ImageHeader

_MODES = {b"P1": "1", b"P2": "L", b"P3": "RGB", b"P4": "1", b"P5": "L", b"P6": "RGB"}
_PAM_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_USUAL_BYTES = 256
_MOST_BYTES = 65_536  # of header, comments included
_COMMENT = re.compile(rb"#[^\r\n]*")
_NUMBER = re.compile(rb"[0-9]{1,10}")
_MOST_VALUE = 65_535


def read_ppm(data: bytes, name: str, _most_frames: int) -> ImageHeader:
    """Read the header of a PBM, PGM, PPM or PAM; of several pictures in one file, that of the first.

    Args:
        data: The file.
        name: Its format, for the header.

    Raises:
        DecodeError: The header is cut, or its words are no numbers.
    """
    magic = data[:2]
    if magic == b"P7":
        return _pam(data, name)
    mode = _MODES[magic]
    if mode == "1":
        width, height = _numbers(data, 2)
        return ImageHeader(name, width, height, mode, bit_depth=1)
    width, height, most = _numbers(data, 3)
    return ImageHeader(name, width, height, "I" if mode == "L" and most > 255 else mode, bit_depth=_depth(most))


def _pam(data: bytes, name: str) -> ImageHeader:
    if data[2:7].split() == [b"332"]:
        raise DecodeError("the PPM is a thumbnail of xv, which has no decoder here")
    head, ended, _ = data[:_MOST_BYTES].partition(b"\nENDHDR")
    if not ended:
        raise DecodeError("the PAM ends inside its header")
    fields = {}
    for line in head.splitlines()[1:]:
        key, _, value = line.strip().partition(b" ")
        if key and not key.startswith(b"#"):
            fields[key] = value.strip()
    width, height, planes, most = (_number(fields.get(key, b"")) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    if planes not in _PAM_MODES:
        raise DecodeError(f"the PAM has {planes} planes; 1 to 4 are known")
    mode = _PAM_MODES[planes]
    if mode == "L" and most > 255:
        mode = "I"
    elif fields.get(b"TUPLTYPE") == b"BLACKANDWHITE":
        mode = "1"
    return ImageHeader(name, width, height, mode, bit_depth=_depth(most))


def _numbers(data: bytes, count: int) -> list[int]:
    words: list[bytes] = []
    for most in (_USUAL_BYTES, _MOST_BYTES):
        words = _COMMENT.sub(b"", data[2 : 2 + most]).split(None, count)
        if len(words) > count:  # something follows, so that the last of them is whole
            break
    if len(words) < count:
        raise DecodeError("the PPM ends inside its header")
    return [_number(word) for word in words[:count]]


def _number(word: bytes) -> int:
    if not _NUMBER.fullmatch(word):
        raise DecodeError("the header of the PPM has a word that is no number")
    return int(word)


def _depth(most: int) -> int:
    if not 0 < most <= _MOST_VALUE:
        raise DecodeError(f"the PPM gives {most} as its largest value; 1 to {_MOST_VALUE:,} are possible")
    return most.bit_length()
