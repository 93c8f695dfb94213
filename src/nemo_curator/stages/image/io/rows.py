"""What is known about one input, as one row: the columns that every Parquet of ours begins with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from nemo_curator.kernels.source import Source
from nemo_curator.tasks import ImageObject, Record
from nemo_curator.tasks.caption import caption_of

MEMBER = pa.struct(
    [
        ("name", pa.string()),
        ("extension", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("sha256", pa.string()),
    ]
)

# name → (type, meaning); the reference page of columns is made from this
IDENTITY: dict[str, tuple[pa.DataType, str]] = {
    "image_id": (pa.string(), "Id of the input, unique in a run"),
    "input": (pa.string(), "Name of the input argument, where several were given"),
    "source": (pa.string(), "Path of the shard or file, relative to its input"),
    "key": (pa.string(), "Key of the sample in its shard; a loose file's path without its extension"),
    "ordinal": (pa.int32(), "Position among the records of its partition"),
    "members": (pa.list_(MEMBER), "Every file of the sample: name, extension, offset and length in the shard, SHA-256"),
    "primary": (pa.int32(), "Index in `members` of the image that is curated; -1 where there is none"),
    "format": (pa.string(), "Image format, by content"),
    "width": (pa.int64(), "Width in pixels, upright"),
    "height": (pa.int64(), "Height in pixels, upright"),
    "mode": (pa.string(), "Colour model as stored"),
    "bit_depth": (pa.int8(), "Bits a channel as stored"),
    "is_grey": (pa.bool_(), "Whether the colour model is one of grey alone"),
    "has_icc": (pa.bool_(), "Whether an ICC profile is embedded"),
    "frames": (pa.int64(), "Number of frames"),
    "orientation": (pa.int8(), "EXIF orientation, 1 to 8"),
    "bytes": (pa.int64(), "Length of the encoded image"),
    "sha256": (pa.string(), "SHA-256 of the encoded image"),
    "caption": (pa.string(), "Caption from the text sidecar, or from the JSON sidecar"),
    "metadata": (pa.string(), "The JSON sidecar, as JSON"),
    "embedded_caption": (pa.string(), "What the image file itself says that it shows: XMP, IPTC, EXIF, a comment"),
    "truncated": (pa.bool_(), "Whether a JPEG ends too early and was accepted; NULL where it was not decoded"),
    "warnings": (pa.list_(pa.string()), "What parsers and decoders said about the file while it was read"),
}

DECODED = ("truncated", "warnings")
"""Those of them that decoding finds out, beside parsing."""


def identity_row(image: ImageObject | Record) -> dict[str, Any]:
    """The identity columns of one image, in play or not."""
    source, header = image.source, image.header
    primary = source.members[source.primary] if 0 <= source.primary < len(source.members) else None
    width, height = header.upright_size if header else (None, None)
    return {
        "image_id": image.image_id,
        "input": source.name,
        "source": source.path,
        "key": source.key,
        "ordinal": source.ordinal,
        "members": _members(source),
        "primary": source.primary,
        "format": header.format if header else None,
        "width": width,
        "height": height,
        "mode": header.mode if header else None,
        "bit_depth": header.bit_depth if header else None,
        "is_grey": header.is_grey if header else None,
        "has_icc": header.has_icc if header else None,
        "frames": header.frames if header else None,
        "orientation": header.orientation if header else None,
        "bytes": primary.length if primary else None,
        "sha256": (primary.sha256 or None) if primary else None,
        "caption": caption_of(image.sidecars, image.metadata),
        "metadata": metadata_json(image.metadata),
        "embedded_caption": (header.caption or None) if header else None,
        "truncated": image.truncated,
        "warnings": list(image.warnings),
    }


def _members(source: Source) -> list[dict[str, Any]]:
    return [
        {
            "name": member.name,
            "extension": member.extension,
            "offset": member.offset,
            "length": member.length,
            "sha256": member.sha256,
        }
        for member in source.members
    ]


def metadata_json(metadata: Mapping[str, Any]) -> str | None:
    """Metadata as JSON text that any reader takes; None where there is none, or JSON cannot say it."""
    if not metadata:
        return None
    try:
        text = json.dumps(metadata, ensure_ascii=False, allow_nan=False, default=str)
        text.encode()  # lone surrogates are legal in Python and in JSON escapes, but not in UTF-8
    except UnicodeEncodeError:
        return json.dumps(metadata, allow_nan=False, default=str)
    except ValueError:
        return None
    return text
