"""The Croissant description of a data set: JSON-LD by which others' programs find, check and load its files.

Source: Croissant format specification 1.0 (MLCommons). It holds no time, host or path. Everything that a user or a file
said stands in it as a JSON string, and names of columns are those of Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

NAME = "croissant.json"
_MOST_FILES = 1000  # that are listed one by one; the manifest lists all
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {".tar": "application/x-tar", ".parquet": "application/x-parquet", ".mds": "application/octet-stream"}
_DIGITS = "[0-9]" * 5  # the names of shards


def croissant(manifest: Mapping[str, Any], schema: pa.Schema) -> bytes:
    """Describe a data set.

    Args:
        manifest: Its manifest.
        schema: The columns of its Parquet files.
    """
    samples = manifest["samples"]
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": "images-curated-by-imagecurator",
        "description": f"{samples:,} images, curated by imagecurator {manifest['imagecurator']}; "
        "README.md says what was left out and why.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "version": "1.0.0",
        "distribution": [*_files(manifest), _rows(manifest)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "description": "One record a sample: everything known about it.",
                "field": list(_fields(schema)),
            }
        ],
    }
    return (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _files(manifest: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every file with its hash, where they are not too many to be listed."""
    files = [one for one in manifest["files"] if not one["name"].endswith("/")]
    for one in files if len(files) <= _MOST_FILES else ():
        name = one["name"]
        yield {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{one['bytes']} B",
            "encodingFormat": _TYPES[f".{name.rpartition('.')[2]}"],
            "sha256": one["sha256"],
        }


def _rows(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The Parquet files together. `*` of these patterns goes into folders too, where other Parquet files may lie."""
    splits = list(manifest["splits"]) or [""]
    longer = sorted({len(_number(one["name"])) for one in manifest["files"]} - {len("00000")})
    patterns = [_DIGITS, *("[0-9]" * length for length in longer)]
    return {
        "@type": "cr:FileSet",
        "@id": "rows",
        "name": "rows",
        "description": "The Parquet of every shard.",
        "encodingFormat": _TYPES[".parquet"],
        "includes": [f"{split}/{one}.parquet" if split else f"{one}.parquet" for split in splits for one in patterns],
    }


def _number(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2].partition(".")[0]


def _fields(schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """The columns of plain values and, where the bytes are there, the picture."""
    for column in schema:
        kind, transform = _kind(column.name, column.type)
        if not kind:
            continue
        source: dict[str, Any] = {"fileSet": {"@id": "rows"}, "extract": {"column": column.name}}
        if transform:
            source["transform"] = {"jsonPath": transform}
        yield {
            "@type": "cr:Field",
            "@id": f"samples/{column.name}",
            "name": column.name,
            "dataType": kind,
            "source": source,
        }


def _kind(name: str, kind: pa.DataType) -> tuple[str, str]:
    """(type of the values, path of the value in a column); ("", "") for a column that is left out."""
    if name == "image" and pa.types.is_struct(kind):
        return "sc:ImageObject", "bytes"
    if pa.types.is_boolean(kind):
        return "sc:Boolean", ""
    if pa.types.is_integer(kind):
        return "sc:Integer", ""
    if pa.types.is_floating(kind):
        return "sc:Float", ""
    return ("sc:Text", "") if pa.types.is_string(kind) else ("", "")
