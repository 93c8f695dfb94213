"""Names of samples in the shards that we write."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_curator.kernels.source import Source
from nemo_curator.shards.names import shard_stem


def sample_key(source: Source, image_id: str) -> str:
    """The key of a sample in an output shard: its own, which is not rewritten without need.

    The key of a loose file is its relative path without the last extension. Dots in its base name become `_`, because
    readers of shards end the key at the first one. An image without a source is named by its id. A key that leads out
    of the folder it is unpacked in (`../x`, `/x`) loses the parts that do so: whoever unpacks our shard is safe.
    """
    if source.key and not source.is_loose:
        return _inside(source.key)
    folder, slash, stem = (source.key or image_id).rpartition("/")
    return _inside(f"{folder}{slash}{stem.replace('.', '_')}")


def _inside(key: str) -> str:
    """A relative path without `.` and `..`; a plain key is itself."""
    parts = [part for part in key.replace("\0", "").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "sample"


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


def member_names(key: str, extensions: Sequence[tuple[str, str]]) -> list[str]:
    """Names of all members of a sample: the key and the extension that each came with.

    A member without an extension gets its format's name, else `bin`; readers of shards need one. Where two would be
    named alike, the later gets a number before its extension.

    Args:
        key: The sample's key in the shard.
        extensions: (extension, image format or "") of each member, in order.
    """
    names: list[str] = []
    for given, image_format in extensions:
        extension = given or image_format or "bin"
        name, number = f"{key}.{extension}", 2
        while name in names:
            name, number = f"{key}.{number}.{extension}", number + 1
        names.append(name)
    return names


def free_extension(extension: str, others: Sequence[str]) -> str:
    """An extension for one changed file of a sample, with a number in front where another file has it.

    Args:
        extension: The extension that it would have.
        others: Extensions of the sample's other files, in order, which keep the names that they have without it.
    """
    taken = {name.removeprefix("k.") for name in member_names("k", [(one, "") for one in others])}
    found, number = extension, 2
    while found in taken:
        found, number = f"{number}.{extension}", number + 1
    return found
