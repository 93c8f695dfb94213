"""The members of a tar, found by walking its headers; no member's data is read.

Reads with `pread` on a descriptor: a file that shrinks meanwhile gives short reads, where a memory map would kill the
process. Understands v7 and ustar, GNU long names and base-256 numbers, PAX headers (local, global and Solaris'). What
is neither a regular file nor a directory is reported by kind and never followed. A damaged archive ends the walk with
one `TarDamage` after all members before it.

Zero blocks are passed over and what follows them is read on, so that archives joined by `cat` are whole. An archive
without an end-of-archive marker, or with a megabyte of zeros anywhere, has been cut or holed, and says so.

Source: POSIX.1-2017, pax, sections "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, appendix
"Tar Internals".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple
from zlib import adler32

from nemo_curator.shards.limits import MAX_NAME
from nemo_curator.shards.tar_pax import SPARSE, PaxError, pax_records
from nemo_curator.storage import read_at

BLOCK = 512
"""Bytes of a header; data is padded to a multiple of it."""

MAX_HEADER_BYTES = 1 << 20
"""Longest PAX header or GNU long name that is read, bytes; they are some hundred as a rule."""

_MAX_PADDING = 1 << 20  # zeros beyond any usual record size: a crash leaves such holes
_MAX_HOLES = 1 << 30  # zeros in all such holes; a sparse file of terabytes would be read for hours
_MAX_EMPTY = 10240  # an empty archive is one record of zeros
_WINDOW = 4096  # the headers of neighbouring small members come with one read
_SCAN = 1 << 20
_ZEROS = bytes(_SCAN)

_FIELDS = Struct("100s24x12s12x8sc100s6s82x155s12x")  # name, size, checksum, type, link name, magic, prefix
_FIRST_CHECKED, _AFTER_CHECKSUM = 148, 156
_BLANK_CHECKSUM = 8 * 0x20  # the checksum counts its own field as spaces
_HALF = BLOCK // 2

_EXTENSIONS = b"xgXLK"  # headers about the next member: PAX, global PAX, Solaris' PAX, GNU long name, long link
_PASSED_OVER = b"5DV"  # directories, GNU directory listings, volume labels
_WITHOUT_DATA = b"123456"  # whatever size they state: that of a directory is the room that it may take
_HARD_LINK = b"1"
_KINDS = {
    b"0": "file",
    b"7": "file",  # contiguous
    b"\0": "file",  # before POSIX
    b"1": "hard link",
    b"2": "symbolic link",
    b"3": "character device",
    b"4": "block device",
    b"6": "pipe",
    b"S": "sparse file",
    b"M": "continuation of another volume",
}
_SHOWN = 500  # characters of a name in a sentence
_LONG_NAME = f"member with a name of more than {MAX_NAME} characters"


class TarEntry(NamedTuple):
    """One member.

    Attributes:
        name: Its name, of `MAX_NAME` characters at most; undecodable bytes are surrogates, as `os.fsdecode` makes them.
        kind: `file`, or in words what else it is (`symbolic link`, `sparse file`, …); so is one whose name was longer.
        offset: Position of its data, bytes.
        size: Length of its data, bytes.
        link: What a link points to, else "".
    """

    name: str
    kind: str
    offset: int
    size: int
    link: str = ""


class TarDamage(NamedTuple):
    """Where and why an archive cannot be read further.

    Attributes:
        position: Byte at which the first thing that is not whole begins; every member before it is.
        reason: Why, for a person.
        member: Name of the member that is cut off there, or "".
    """

    position: int
    reason: str
    member: str = ""


class _DamagedError(Exception):
    def __init__(self, reason: str, member: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.member = member


def walk(descriptor: int) -> Iterator[TarEntry | TarDamage]:
    """The members of an uncompressed tar in archive order, and last the damage, if there is any.

    Every member's data lies inside the file as it was when the walk began. Directories are left out.

    Args:
        descriptor: An open regular file; its position is neither used nor moved.
    """
    walker = _Walker(descriptor)
    try:
        yield from walker.members()
    except _DamagedError as error:
        yield TarDamage(walker.position, error.reason + walker.hole, error.member)
    except OSError as error:
        yield TarDamage(walker.position, f"the storage fails there ({error.strerror})" + walker.hole)


class _Walker:
    def __init__(self, descriptor: int) -> None:
        self.position = 0  # of the first header of the current member
        self.hole = ""  # the first one that members follow, in words for the end of a sentence
        self._zeros = 0  # in all holes
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._window = b""
        self._window_start = 0
        self._global: dict[str, str] = {}

    def members(self) -> Iterator[TarEntry]:
        at = 0
        marked = False
        while at < self._size:
            self.position = at
            block = self._block(at)
            if not block[0] and not block.strip(b"\0"):  # the first byte is the name's, so seldom zero
                marked = marked or len(block) == BLOCK
                at = self._after_zeros(at)
                continue
            marked = False
            entry, at = self._member(at, block)
            if entry is not None:
                yield entry
        self.position = self._size
        if not marked:
            raise _DamagedError("it ends without an end-of-archive marker, so it may have been cut")
        if self.hole:
            raise _DamagedError("members may be missing")

    def _block(self, at: int) -> bytes:
        """The block at `at`, shorter where the file ends inside it."""
        inside = at - self._window_start
        if not 0 <= inside <= len(self._window) - BLOCK:
            self._window = read_at(self._descriptor, at, _WINDOW)
            self._window_start = at
            inside = 0
            if not self._window:
                raise _DamagedError("it ends where a header should be")
        return self._window[inside : inside + BLOCK]

    def _after_zeros(self, start: int) -> int:
        """Where the blocks of zeros that begin at `start` end: at the next used block, or at the end of the file."""
        at, step = start, _WINDOW
        while at < self._size:
            chunk = read_at(self._descriptor, at, step)
            if not chunk or chunk != _ZEROS[: len(chunk)]:
                at += (len(chunk) - len(chunk.lstrip(b"\0"))) // BLOCK * BLOCK
                break
            at += len(chunk)
            if self._zeros + at - start > _MAX_HOLES:
                raise _DamagedError(f"more than {_MAX_HOLES} bytes of zeros follow, so it may have lost its data")
            step = min(2 * step, _SCAN)
        length = at - start
        if at >= self._size and length > (_MAX_PADDING if start else _MAX_EMPTY):
            raise _DamagedError(f"only zeros follow, {length} bytes of them, so it may have lost its data")
        if length > _MAX_PADDING:
            self._zeros += length
            self.hole = self.hole or f"; there are {length} bytes of zeros at byte {start}, where members may have been"
        return at

    def _member(self, at: int, block: bytes) -> tuple[TarEntry | None, int]:
        """The member whose first header is `block` (None for one to pass over), and where the next one begins."""
        overrides = self._global
        while True:
            raw_name, raw_size, kind, raw_link, prefix = _checked(block)
            size = _number(raw_size)
            data = at + BLOCK
            if kind not in _EXTENSIONS:
                break
            overrides = self._extended(kind, data, size, overrides)
            at = data + _padded(size)
            block = self._block(at)
        name = _text(raw_name)
        if kind == b"\0" and name.endswith("/"):
            kind = b"5"  # the oldest archives know no other sign of a directory
        if prefix[0]:
            name = f"{_text(prefix)}/{name}"
        link = _text(raw_link) if raw_link[0] else ""
        if kind == b"S":
            data = self._after_sparse_map(at, block)
        if overrides:
            kind = b"S" if SPARSE in overrides else kind
            name, link, size = _overridden(overrides, name, link, size)
        if kind in _WITHOUT_DATA and not (kind == _HARD_LINK and size and self._is_data(data)):
            size = 0
        if data + size > self._size:
            there = max(0, self._size - data)
            shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
            raise _DamagedError(f"the member {shown!r} is cut off, {there} of its {size} bytes are there", name)
        entry = None if kind in _PASSED_OVER else _entry(name, kind, data, size, link)
        return entry, data + _padded(size)

    def _is_data(self, at: int) -> bool:
        """Whether the block behind the header of a hard link is data: `pax` writes it, others state a size alone."""
        block = self._block(at) if at < self._size else b""
        if not block.strip(b"\0"):
            return False
        try:
            _checked(block)
        except _DamagedError:
            return True
        return False

    def _extended(self, kind: bytes, data: int, size: int, overrides: dict[str, str]) -> dict[str, str]:
        """The overrides for the next member after one more extension header whose body is at `data`."""
        if size > MAX_HEADER_BYTES:
            raise _DamagedError(f"a header of {size} bytes is over the limit of {MAX_HEADER_BYTES}")
        body = read_at(self._descriptor, data, size)
        if len(body) < size:
            raise _DamagedError("it ends inside a header")
        if kind in b"LK":
            return {**overrides, "path" if kind == b"L" else "linkpath": _text(body)}
        try:
            records = pax_records(body)
        except PaxError as error:
            raise _DamagedError(f"a PAX header is damaged, {error}") from None
        if kind == b"g":
            self._global = {**self._global, **records}
        return {**overrides, **records}

    def _after_sparse_map(self, at: int, block: bytes) -> int:
        """Where the data of an old GNU sparse member begins: behind the blocks that continue its map."""
        more = block[482]
        at += BLOCK
        while more:
            block = self._block(at)
            if len(block) < BLOCK:
                raise _DamagedError("it ends inside a header")
            more = block[504]
            at += BLOCK
        return at


def _checked(block: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Name, size, type, link name and prefix of a header whose checksum is right."""
    if len(block) < BLOCK:
        raise _DamagedError("it ends inside a header")
    name, size, checksum, kind, link, magic, prefix = _FIELDS.unpack(block)
    try:
        stated = _number(checksum)
    except _DamagedError:
        stated = -1
    counted = _sum(block[:_HALF]) + _sum(block[_HALF:]) - sum(checksum) + _BLANK_CHECKSUM
    if stated != counted:  # some old systems added signed bytes
        high = sum(byte > 127 for byte in block[:_FIRST_CHECKED] + block[_AFTER_CHECKSUM:])
        if stated != counted - 256 * high:
            raise _DamagedError("there is no tar header, or its checksum is wrong")
    return name, size, kind, link, prefix if magic == b"ustar\0" else b"\0"  # GNU keeps times in the prefix


def _sum(half: bytes) -> int:
    """The sum of 256 bytes, far faster than `sum`: half of Adler's is 1 more, modulo a number they cannot reach."""
    return (adler32(half) & 0xFFFF) - 1


_MOST_DIGITS = 20  # of a size; what is longer is no size of anything


def _overridden(overrides: dict[str, str], name: str, link: str, size: int) -> tuple[str, str, int]:
    stated = overrides.get("size")
    if stated:
        if not (stated.isascii() and stated.isdigit() and len(stated) <= _MOST_DIGITS):
            raise _DamagedError("a PAX header states a size that is no number")
        size = int(stated)
    name = overrides.get("GNU.sparse.name") or overrides.get("path") or name
    return name, overrides.get("linkpath") or link, size


def _entry(name: str, kind: bytes, data: int, size: int, link: str) -> TarEntry:
    words = _KINDS.get(kind) or f"member of the unknown type {kind!r}"
    if len(name) > MAX_NAME or len(link) > MAX_NAME:
        name, link, words = name[:MAX_NAME], link[:MAX_NAME], _LONG_NAME
    return TarEntry(name, words, data, size, link)


def _number(field: bytes) -> int:
    """An octal field, or base-256 where its highest bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
        if field[0] & 0x40:
            raise _DamagedError("a header holds a negative size")
        return value
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not digits.isdigit():
        raise _DamagedError("a header field is no number")
    try:
        return int(digits, 8)
    except ValueError:
        raise _DamagedError("a header field is no octal number") from None


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
