"""How many bytes of a shard one sample takes, told by the beginning of a few: a shard does not say what it holds."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.shards.decompress import HEAD_BYTES, StreamDamageError, plain_pieces
from nemo_curator.shards.names import is_parquet_name, split_member
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.tar_headers import TarDamage, walk

_LOOK = 4_000_000  # bytes of each shard: tens of photos, or hundreds of thumbnails


def sample_bytes(locations: Sequence[str]) -> int | None:
    """Bytes of a shard that one of its samples takes, on average over the beginnings of some.

    Args:
        locations: Paths or URLs of tars, plain or compressed (images hardly compress, so that both are counted alike),
            and of Parquet files, which say it.

    Returns:
        At least 1; None where no whole sample was found, and where nothing can be read.
    """
    found = [_rows(one) if is_parquet_name(one) else _beginning(one) for one in locations]
    samples = sum(count for _, count in found)
    return max(1, sum(size for size, _ in found) // samples) if samples else None


def _rows(location: str) -> tuple[int, int]:
    """How many bytes a Parquet takes, and how many rows it has."""
    try:
        with open_parquet(location) as parquet:
            return storage.stat(location).size, parquet.metadata.num_rows
    except (OSError, pa.ArrowException):
        return 0, 0


def _beginning(location: str) -> tuple[int, int]:
    """How many bytes the whole samples at the beginning of a tar take, and how many these are."""
    with tempfile.TemporaryFile(buffering=0) as kept:
        try:
            with storage.open(location) as source:
                head = source.read(HEAD_BYTES)
                source.seek(0)
                for piece in plain_pieces(source, head):
                    kept.write(piece[: _LOOK - kept.tell()])
                    if kept.tell() >= _LOOK:
                        break
        except (OSError, StreamDamageError):  # whoever reads the shard for good says so
            pass
        keys: set[str] = set()
        end = 0
        for member in walk(kept.fileno()):
            if isinstance(member, TarDamage):  # as a rule where we stopped
                break
            keys.add(split_member(member.name)[0])
            end = member.offset + member.size
    return end, len(keys)
