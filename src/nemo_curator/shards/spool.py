"""A shard as an open local file of uncompressed bytes, so that offsets mean one thing everywhere.

A plain local tar is opened where it lies. A compressed or remote one is first written, in pieces, to a temporary file
that has no name and is gone when it is closed, even if the process is killed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO

from nemo_curator import storage
from nemo_curator.shards.decompress import HEAD_BYTES, StreamDamageError, is_compressed, plain_pieces

EXPANSION_LIMIT = 100
"""A compressed shard may expand to this many times its size …

Images hardly compress, captions and JSON to a tenth, the headers and padding of a tar of small files to a hundredth.
What compresses further is blank pixels as they are (masks in `.npy` or `.bmp`), of which a shard holds a few as a rule.
Deflate reaches 1,032 and Zstandard 32,768: with the bound, an upload of a gigabyte may fill a hundred of them on the
disk of temporary files, and no more.
"""

EXPANSION_FLOOR = 1 << 30
"""… or to this many bytes, whichever is more; beyond, it is taken for a bomb and cut.

A shard of blank masks of some megabytes may be honest, and a gigabyte is what shards have uncompressed as a rule: every
place that unpacks shards must have room for that. Writing it and walking over it take seconds.
"""


@dataclass(frozen=True, slots=True)
class OpenShard:
    """An uncompressed shard.

    Attributes:
        descriptor: Of a regular local file, to be read with `pread`.
        damage: Why the file does not hold the whole shard, or "".
        spooled: Whether it is a temporary file.
    """

    descriptor: int
    damage: str = ""
    spooled: bool = False


@contextmanager
def open_shard(location: str, *, spool_dir: str | None = None) -> Iterator[OpenShard]:
    """Open a shard; what it needs of temporary space is given back at the end of the block.

    Args:
        location: Path or URL of a tar, plain or compressed.
        spool_dir: Directory for the temporary file; the system's by default.

    Raises:
        OSError: The shard cannot be opened.
        StorageError: There is no room for the temporary file.
    """
    with storage.open(location, whole=True) as source:
        head = source.read(HEAD_BYTES)
        source.seek(0)
        if storage.is_local(location) and not is_compressed(head):
            yield OpenShard(source.fileno())
            return
        with ExitStack() as stack:
            with _refusals(spool_dir):
                spool = stack.enter_context(tempfile.TemporaryFile(dir=spool_dir, buffering=0))
            limit = None
            if is_compressed(head):
                limit = max(EXPANSION_FLOOR, EXPANSION_LIMIT * storage.stat(location).size)
            pieces = plain_pieces(source, head)
            with _refusals(spool_dir):
                damage = _fill(spool, pieces, limit)
            yield OpenShard(spool.fileno(), damage, spooled=True)


@contextmanager
def _refusals(spool_dir: str | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # reading the source raises StreamDamageError, so this is the temporary file's
        raise storage.storage_error(f"{spool_dir or tempfile.gettempdir()} (room to unpack a shard)", error) from error


def _fill(spool: FileIO, pieces: Iterator[bytes], limit: int | None) -> str:
    """Write `pieces` to `spool`; says why they stopped early, or ""."""
    written = 0
    try:
        for piece in pieces:
            rest = memoryview(piece if limit is None else piece[: limit - written])  # samples may end inside a piece
            written += len(piece)
            while rest:
                rest = rest[spool.write(rest) :]
            if limit is not None and written > limit:
                return f"it expands to more than {limit} bytes, the limit for a shard of its size"
    except StreamDamageError as error:
        return str(error)
    return ""
