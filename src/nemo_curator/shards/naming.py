"""Names of samples in the shards that we write."""

from __future__ import annotations

from nemo_curator.kernels.source import Source
from nemo_curator.shards.names import shard_stem


def sample_key(source: Source, image_id: str) -> str:
    """The key of a sample in an output shard: its own, which is never rewritten.

    The key of a loose file is its relative path without the last extension. Dots in its base name become `_`, because
    readers of shards end the key at the first one. An image without a source is named by its id.
    """
    if source.key and not source.is_loose:
        return source.key
    folder, slash, stem = (source.key or image_id).rpartition("/")
    return f"{folder}{slash}{stem.replace('.', '_')}"


def unique_key(source: Source, image_id: str, taken: set[str]) -> str:
    """`sample_key`, or `<source shard>__<key>` where that is taken in the shard; the result is added to `taken`."""
    key = sample_key(source, image_id)
    if key in taken:
        folder, slash, base = key.rpartition("/")
        shard = shard_stem(source.path).rpartition("/")[2].replace(".", "_")
        key = f"{folder}{slash}{shard}__{base}"
    plain, number = key, 2
    while key in taken:
        key, number = f"{plain}__{number}", number + 1
    taken.add(key)
    return key


def member_name(key: str, extension: str, image_format: str = "") -> str:
    """The name of a member: the key and the extension it came with; a file without one gets its format's name."""
    extension = extension or image_format or "bin"
    return f"{key}.{extension}"
