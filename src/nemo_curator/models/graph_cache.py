"""Built ONNX graphs, kept on disk so that they are built once.

An entry is named by what went into it: the weights' SHA-256, the builder's name and version, the opset. It is a
file `<key>.onnx` and a file `<key>.sha256` with the digest of the first; it is used only if both agree, and built
again otherwise. Files are renamed into place whole, and their content is a function of their name, so that any
number of processes may write the same entry at once. Where nothing can be written, graphs are built in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from nemo_curator.models.onnx_graph import OPSET


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
    graph, seal = folder / f"{key}.onnx", folder / f"{key}.sha256"
    found = _read(graph, seal)
    if found is not None:
        return found
    made = build()
    with contextlib.suppress(OSError):  # read-only or full: the cache is a convenience
        folder.mkdir(parents=True, exist_ok=True)
        _place(graph, made)
        _place(seal, hashlib.sha256(made).hexdigest().encode())
    return made


def _read(graph: Path, seal: Path) -> bytes | None:
    try:
        content, expected = graph.read_bytes(), seal.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest().encode() == expected else None


def _place(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
