"""A tar of many gigabytes that takes megabytes of the disk and a second to make: behind each picture lie zeros."""

from __future__ import annotations

import tarfile
from pathlib import Path

from nemo_curator.testing import encoded, photo

_BLOCK = tarfile.BLOCKSIZE


def sparse_shard(path: Path, size: int, each: int) -> int:
    """Write a shard whose members are JPEGs of `each` bytes, most of them zeros behind the end of the picture.

    Args:
        path: Where to; the file system must know holes.
        size: Bytes of the shard, roughly.
        each: Bytes of a member; a multiple of 512.

    Returns:
        Number of members.
    """
    pictures = [encoded(photo(number, 320, 240), quality=85) for number in range(8)]
    count = size // (each + _BLOCK)
    with path.open("wb") as file:
        for number in range(count):
            header = tarfile.TarInfo(f"{number:07d}.jpg")
            header.size = each
            file.write(header.tobuf(tarfile.USTAR_FORMAT))
            start = file.tell()
            file.write(pictures[number % len(pictures)])
            file.seek(start + each)
        file.write(bytes(2 * _BLOCK))
    return count
