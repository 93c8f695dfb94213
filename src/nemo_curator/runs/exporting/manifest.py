"""The manifest of a delivered data set: written last, so that its presence says that all of it is there."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any, get_args

import pyarrow as pa

from nemo_curator import __version__, storage
from nemo_curator.codecs.rendition import Rendition
from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.exporting.delivered import DeliveredFile, Exported, Missing
from nemo_curator.runs.exporting.mds_index import is_index
from nemo_curator.runs.exporting.settings import Format
from nemo_curator.shards.names import from_text
from nemo_curator.shards.parquet import read_table

MANIFEST = "manifest.json"
REMOVING = "removing"
"""Key in the manifest while samples are being taken out: the data set is whole again when it is gone."""

INDEXES = "indexes"
"""Key in the manifest: the files by which readers find the shards, where the format has such."""

DOCUMENTS = "documents"
"""Key in the manifest: the files beside the shards that describe the data set."""

_FORMAT = "imagecurator-manifest-1"
_MOST_BYTES = 1 << 28  # a manifest of ten million samples in a hundred thousand shards is a tenth of it
_SHARD = re.compile(
    r"((?P<split>[A-Za-z0-9][A-Za-z0-9_-]{0,63})/)?(?P<number>[0-9]{5,})(?P<end>\.tar|\.mds|\.parquet|/.*)"
)


def write_manifest(
    output: str,
    *,
    recipe: Mapping[str, Any],
    fingerprint: str,
    versions: Mapping[str, str],
    funnel: Funnel,
    lists: Mapping[str, Mapping[str, Any]],
    exported: Exported,
    rendition: Rendition | None = None,
) -> None:
    """Write `manifest.json`. It holds no time, host or path.

    Args:
        output: The data set.
        recipe: What decided; of the files that it names only the base names are kept.
        fingerprint: Of how the columns were computed.
        versions: Name to version of what took part.
        funnel: How the inputs ended.
        lists: `allow`, `deny` and `known_bad.<name>` to the file's name, SHA-256 and number of entries of the list,
            where there is one.
        exported: What was delivered.
        rendition: What images became; None for their own bytes.

    Raises:
        StorageError: The file cannot be written.
    """
    plain = dict(recipe)
    for name in ("allow", "deny"):
        if plain.get(name):
            plain[name] = str(plain[name]).rstrip("/").rpartition("/")[2]
    store_manifest(
        output,
        {
            "manifest": _FORMAT,
            "imagecurator": __version__,
            "format": exported.format,
            "samples": exported.samples,
            "bytes": exported.bytes,
            "splits": dict(exported.splits),
            "removed": 0,
            "missing": [asdict(one) for one in exported.missing],
            **_made(rendition, exported),
            "funnel": funnel.figures,
            "recipe": plain,
            "lists": {name: dict(one) for name, one in lists.items()},
            "fingerprint": fingerprint,
            "export": exported.plan,
            "versions": dict(versions),
            "files": [asdict(one) for one in exported.files],
            **({INDEXES: [asdict(one) for one in exported.indexes]} if exported.format == "mds" else {}),
        },
    )


def _made(rendition: Rendition | None, exported: Exported) -> dict[str, Any]:
    """What is said of images that were made anew; nothing where all have their own bytes."""
    if rendition is None:
        return {}
    return {"rendition": rendition.facts, "failed": [asdict(one) for one in exported.failed]}


def store_manifest(output: str, manifest: Mapping[str, Any]) -> None:
    """Put a manifest in its place.

    Raises:
        StorageError: It cannot be written.
    """
    with storage.write_atomic(storage.join(output, MANIFEST)) as file:
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        file.write(text.encode("utf-8", "backslashreplace"))


def delivered(output: str) -> dict[str, Any] | None:
    """The manifest of a whole data set of ours; None where there is none, or none of ours."""
    try:
        location = storage.join(output, MANIFEST)
        if storage.stat(location).size > _MOST_BYTES:
            return None
        with storage.open(location) as file:
            manifest = json.loads(file.read(_MOST_BYTES))
        if manifest["manifest"] != _FORMAT or not all(isinstance(one["name"], str) for one in manifest["files"]):
            return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return dict(manifest)


def delivered_files(output: str) -> list[str] | None:
    """Paths of the files of a whole data set of ours, without its manifest; None where there is no such data set.

    Of a shard that is a folder its Parquet knows the files. A path may be any text: it is for comparing with what is
    there, not for opening.
    """
    manifest = delivered(output)
    if manifest is None:
        return None
    found: list[str] = [*sorted(own_documents(output, manifest)), *index_names(manifest)]
    for one in manifest["files"]:
        name = str(one["name"])
        found += files_in(output, name) if name.endswith("/") else [name]
    return found


def index_names(manifest: Mapping[str, Any]) -> list[str]:
    """Paths of the indexes that a manifest lists."""
    listed = manifest.get(INDEXES)
    names = [one.get("name") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [name for name in names if isinstance(name, str) and is_index(name)]


def own_documents(output: str, manifest: Mapping[str, Any]) -> set[str]:
    """Names of the documents of a data set that are as we wrote them; an edited one is the user's."""
    found = set()
    for one in manifest.get(DOCUMENTS) or ():
        try:
            name, sha256 = str(one["name"]), str(one["sha256"])
            if "/" in name or storage.stat(storage.join(output, name)).size != one["bytes"]:
                continue
            with storage.open(storage.join(output, name)) as file:
                same = hashlib.sha256(file.read(_MOST_BYTES)).hexdigest() == sha256
        except (OSError, LookupError, TypeError):
            continue
        if same:
            found.add(name)
    return found


def files_in(output: str, folder: str) -> list[str]:
    """Paths of the files of a shard that is a folder, `00000/`, as its Parquet lists them; also while it is written."""
    if shard_stem(folder) is None:
        return []
    try:
        table = read_table(storage.join(output, f"{folder.rstrip('/')}.parquet"), ["files"])
        files: Any = table["files"].combine_chunks()
        names = files.flatten().to_pylist()
    except (OSError, pa.ArrowException, LookupError, AttributeError):
        return []
    return [folder + from_text(str(name)) for name in names]


def shard_stem(path: str) -> str | None:
    """The shard that a path in a data set belongs to by its name (`train/00000`); None for any other path."""
    match = _SHARD.fullmatch(path)
    if match is None:
        return None
    return storage.join(match["split"] or "", match["number"])


def leftovers(paths: Iterable[str], files: Collection[str]) -> list[str]:
    """The paths in a data set that have names of ours, and are none of these files nor in one of these folders.

    Args:
        paths: Paths relative to the data set.
        files: Names of delivered files, as in `Exported.files` or the manifest.
    """
    found = []
    for path in paths:
        stem = shard_stem(path)
        if stem is not None and path not in files and not (path.startswith(f"{stem}/") and f"{stem}/" in files):
            found.append(path)
    return found


def exported_before(manifest: Mapping[str, Any]) -> Exported:
    """What an earlier export delivered, as its manifest says.

    Args:
        manifest: As `delivered` gave it.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: Somebody changed it.
    """
    if manifest["format"] not in get_args(Format):
        raise ValueError(f"{manifest['format']!r} is no format")
    return Exported(
        format=manifest["format"],
        plan=str(manifest["export"]),
        files=[_file(one) for one in manifest["files"]],
        samples=int(manifest["samples"]),
        bytes=int(manifest["bytes"]),
        splits={str(name): int(count) for name, count in manifest["splits"].items()},
        missing=[Missing(str(one["image_id"]), str(one["reason"])) for one in manifest["missing"]],
        failed=[Missing(str(one["image_id"]), str(one["reason"])) for one in manifest.get("failed", ())],
        removed=int(manifest["removed"]),
        indexes=[_file(one) for one in manifest.get(INDEXES, ())],
    )


def _file(one: Mapping[str, Any]) -> DeliveredFile:
    return DeliveredFile(str(one["name"]), str(one["sha256"]), int(one["bytes"]), int(one["samples"]))
