"""The manifest of a delivered data set: written last, so that its presence says that all of it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nemo_curator import __version__, storage
from nemo_curator.runs.deciding.decide import Funnel
from nemo_curator.runs.exporting.export import Exported

MANIFEST = "manifest.json"
_FORMAT = "imagecurator-manifest-1"


def write_manifest(output: str, recipe: Mapping[str, Any], funnel: Funnel, exported: Exported) -> None:
    """Write `manifest.json`: counts, hashes, recipe, version. It holds no time, host or path.

    Raises:
        StorageError: The file cannot be written.
    """
    manifest = {
        "manifest": _FORMAT,
        "imagecurator": __version__,
        "samples": exported.samples,
        "bytes": exported.bytes,
        "funnel": asdict(funnel),
        "recipe": dict(recipe),
        "files": [asdict(file) for file in exported.files],
    }
    with storage.write_atomic(storage.join(output, MANIFEST)) as file:
        file.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())


def delivered_files(output: str) -> list[str] | None:
    """Names of the files of a whole data set of ours, without its manifest; None where there is no such data set."""
    try:
        with storage.open(storage.join(output, MANIFEST)) as file:
            manifest = json.loads(file.read())
        if manifest["manifest"] != _FORMAT:
            return None
        return [str(file["name"]) for file in manifest["files"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
