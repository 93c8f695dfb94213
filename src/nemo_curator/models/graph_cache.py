"""Built ONNX graphs, kept on disk so that they are built once.

An entry is named by what went into it: the weights' SHA-256, the builder's name and version, the opset. Where nothing
can be written, graphs are built in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from nemo_curator.models.onnx_graph import OPSET
from nemo_curator.models.sealed_file import sealed


def cache_dir() -> Path:
    """The directory of cached graphs: `$IMAGECURATOR_CACHE`, else `imagecurator` in the user's XDG cache."""
    named = os.environ.get("IMAGECURATOR_CACHE")
    if named:
        return Path(named) / "graphs"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "imagecurator" / "graphs"


def cached_graph(builder: str, version: int, weights_sha256: str, build: Callable[[], bytes]) -> bytes:
    """A built graph, from the cache if it is there and whole.

    Args:
        builder: Name of the code that builds it.
        version: Raised whenever the builder's output changes.
        weights_sha256: Hex SHA-256 of the weight file it is built from.
        build: Makes the serialised graph; called only where the cache has none.

    Returns:
        The serialised ONNX model.
    """
    identity = f"{builder}\n{version}\n{weights_sha256}\n{OPSET}\n"
    key = f"{builder}-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
    try:
        folder = cache_dir()
    except RuntimeError:  # the user has no home directory
        return build()
    return sealed(folder / f"{key}.onnx", build)
