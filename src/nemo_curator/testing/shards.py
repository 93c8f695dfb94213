"""Tars made from samples."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable
from pathlib import Path

import zstandard

from nemo_curator.shards.tar_writer import TarWriter

Members = Iterable[tuple[str, bytes]]


def tar_bytes(members: Members) -> bytes:
    """A tar of (name, bytes) members, in their order."""
    file = io.BytesIO()
    with TarWriter(file) as tar:
        for name, data in members:
            tar.add(name, data)
    return file.getvalue()


def make_tar(path: Path, members: Members) -> Path:
    """Write a tar of (name, bytes) members, compressed if its name ends in `.gz` or `.zst`; returns its path."""
    data = tar_bytes(members)
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    elif path.suffix == ".zst":
        data = zstandard.ZstdCompressor().compress(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
