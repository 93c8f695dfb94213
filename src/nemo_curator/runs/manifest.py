"""The manifest of a delivered data set: written last, so that its presence says that all of it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nemo_curator import __version__, storage
from nemo_curator.runs.decisions import Funnel
from nemo_curator.runs.export import Exported

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


def is_delivered(output: str) -> bool:
    """Whether a folder holds a whole data set of ours."""
    try:
        with storage.open(storage.join(output, MANIFEST)) as file:
            return bool(json.loads(file.read()).get("manifest") == _FORMAT)
    except (OSError, ValueError, AttributeError):
        return False
