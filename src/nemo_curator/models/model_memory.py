"""About how much memory a model takes where it is computed: an upper estimate, from the length of its weight file.

Loading counts too: a file is read, a graph is written from it, and a runtime packs the weights into memory of its own.

Measured as the peak of a process that loads a model and computes batches (docs/benchmarks.md), and rounded up.
"""

from __future__ import annotations

import os

from nemo_curator.errors import ModelError
from nemo_curator.models.spec import HeadSpec, ModelSpec

_RUNTIME = 60_000_000  # of a small model: a session, and what passes between layers for a batch
_SMALL = 3.0  # bytes for each of its file
_TOWER_RUNTIME = 150_000_000
_TOWER = 2.5  # weights in 32 bits: the graph's copy, the runtime's, and buffers
_BOTH_TOWERS = 1.7  # the same where the file holds a text tower as well, of which one stage loads one half


def model_memory(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None = None) -> int:
    """Bytes that a process takes more with a model than without it, at most.

    Args:
        spec: The model.
        model_dir: The user's model directory, for models whose weights no package carries.
    """
    size = _file_bytes(spec, model_dir)
    if isinstance(spec, HeadSpec):
        return int(_SMALL * size)
    if not spec.shared:
        return _RUNTIME + int(_SMALL * size)
    return _TOWER_RUNTIME + int((_BOTH_TOWERS if spec.text_loader else _TOWER) * size)


def _file_bytes(spec: ModelSpec | HeadSpec, model_dir: str | os.PathLike[str] | None) -> int:
    """Of the weights that are there, else of those that are published."""
    try:
        return spec.weights.find(model_dir).stat().st_size
    except (ModelError, OSError):  # whoever loads it says so
        return getattr(spec.weights, "size", 0)
