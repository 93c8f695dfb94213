"""Which columns of a Parquet hold images, and which hold what belongs to them. A pure function of its schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

SHARD = b"imagecurator.shard"
"""Key in the metadata of a Parquet that an export wrote: JSON about the shard as a whole.

Its further columns say what is known of a sample, and are no part of it.
"""

_FEATURES = b"huggingface"  # key in the metadata of what `datasets` wrote
_NAMING = ("key", "__key__")  # a column that is there to name samples
_KEYS = (*_NAMING, "id", "image_id")
# columns of bytes that hold an image as a rule; one that is `bytes` and `path` tells by its shape
_NAMES = ("image", "img", "jpg", "jpeg", "png", "webp", "picture", "photo", "image_bytes")


@dataclass(frozen=True, slots=True)
class ImageColumns:
    """The columns that samples are made of.

    Attributes:
        image: The image: bytes, or a struct of `bytes` and `path`.
        key: What names a sample, where there is such a column.
        delivered: Whether an export of ours wrote it: sidecars stand in a column of their own.
        binaries: Further columns of bytes, or of a struct with bytes; each is a sidecar.
        values: All other columns; they are a JSON sidecar together.
    """

    image: str
    key: str | None
    delivered: bool
    binaries: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @property
    def read(self) -> tuple[str, ...]:
        """All columns to be read."""
        own = ("files", "sidecars") if self.delivered else (*self.binaries, *self.values)
        return tuple(dict.fromkeys((self.image, *([self.key] if self.key else []), *own)))


def image_columns(schema: pa.Schema, metadata: Mapping[bytes, bytes] | None) -> ImageColumns | None:
    """Find the images of a Parquet.

    The image is the first column that the Hugging Face libraries marked as one in the metadata, else the column that is
    called `image`, else the first struct of `bytes` and `path` (as the Hugging Face
    libraries keep images), else one of bytes with a usual name, such as `jpg`.

    Args:
        schema: Its columns.
        metadata: Its key-value metadata, or those of its schema.

    Returns:
        None where it holds no image, and where two columns have one name.
    """
    names = list(schema.names)
    if len(set(names)) != len(names):
        return None
    kinds = {one.name: one.type for one in schema}
    image = next(_candidates(kinds, metadata or {}), None)
    if image is None:
        return None
    key = next((name for name in _KEYS if name in kinds and is_text(kinds[name])), None)
    if SHARD in (metadata or {}) and _is_delivered(kinds):
        return ImageColumns(image, key, delivered=True)
    others = [name for name in names if name != image and not (name == key and name in _NAMING)]
    binaries = tuple(name for name in others if _holds_bytes(kinds[name]))
    values = tuple(name for name in others if name not in binaries)
    return ImageColumns(image, key, delivered=False, binaries=binaries, values=values)


def _candidates(kinds: Mapping[str, pa.DataType], metadata: Mapping[bytes, bytes]) -> Iterator[str]:
    if SHARD not in metadata:
        marked = _marked(metadata)
        yield from (name for name, kind in kinds.items() if name in marked and _holds_bytes(kind))
    if "image" in kinds and _holds_bytes(kinds["image"]):
        yield "image"
    yield from (name for name, kind in kinds.items() if _is_struct(kind, ("bytes", "path")))
    yield from (name for name in _NAMES if name in kinds and is_bytes(kinds[name]))


def _marked(metadata: Mapping[bytes, bytes]) -> frozenset[str]:
    """Columns that `datasets` knows to be images; sounds are a struct of `bytes` and `path` too."""
    try:
        features = json.loads(metadata[_FEATURES])["info"]["features"]
        return frozenset(
            name for name, one in features.items() if isinstance(one, dict) and one.get("_type") == "Image"
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return frozenset()


def _is_delivered(kinds: Mapping[str, pa.DataType]) -> bool:
    """Whether the columns that an export adds are what it makes of them."""
    files, sidecars = kinds.get("files"), kinds.get("sidecars")
    return (
        files is not None
        and pa.types.is_list(files)
        and is_text(_value(files))
        and sidecars is not None
        and pa.types.is_list(sidecars)
        and _is_struct(_value(sidecars), ("bytes", "name"))
    )


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes of any length."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is one of text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether it is bytes, or a struct that has some under `bytes`."""
    return is_bytes(kind) or _is_struct(kind, ("bytes",))


def _is_struct(kind: pa.DataType, fields: Iterable[str]) -> bool:
    """Whether it is a struct with these fields, of which `bytes` holds bytes and all others text."""
    if not pa.types.is_struct(kind):
        return False
    there = {one.name: one.type for one in kind.fields}
    return all(name in there and (is_bytes if name == "bytes" else is_text)(there[name]) for name in fields)


def _value(kind: Any) -> pa.DataType:
    """The type of what a list holds."""
    found: pa.DataType = kind.value_type
    return found
