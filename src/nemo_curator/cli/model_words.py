"""What the registry knows of a model, as plain data for machines and in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nemo_curator.cli.amounts import amount, shown
from nemo_curator.kernels.view import View
from nemo_curator.models import registry
from nemo_curator.models.spec import HeadSpec, ModelSpec, PackagedWeights

Facts = dict[str, Any]
_SMALL = 100_000


def facts(spec: ModelSpec | HeadSpec, model_dir: str | None) -> Facts:
    """Everything that the registry knows of a model, and whether its weights are here; plain data."""
    state = registry.availability(spec, model_dir)
    said: Facts = {"name": spec.name, "task": spec.task, "unit": spec.unit, "licence": spec.licence}
    if isinstance(spec, HeadSpec):
        said |= {"kind": "head", "embeddings": list(spec.embeddings), "dimension": spec.dimension, "scale": spec.scale}
    else:
        said |= {"kind": "model", "input": input_words(spec.view), "view": asdict(spec.view)}
        said |= {"dimension": spec.dimension, "scale": (spec.low, spec.high)}
        said |= {"normalisation": asdict(spec.normalisation) if spec.normalisation else None}
        said |= {"precisions": ["fp32", *spec.precisions], "heads": registry.fitting_heads(spec.name)}
    weights = spec.weights
    if isinstance(weights, PackagedWeights):
        size = Path(state.detail).stat().st_size if state.ok else 0
        said |= {"package": weights.distribution, "sha256": spec.sha256, "size": size}
    else:
        said |= {"place": weights.file, "repository": weights.repository, "revision": weights.revision}
        said |= {"address": weights.address, "files": [asdict(file) for file in weights.files], "size": weights.size}
    return said | {"ok": state.ok, "where": state.detail if state.ok else "", "how_to_get": state.how_to_get}


def paragraph(said: Facts) -> Iterator[str]:
    """The same in lines for people."""
    size = f", {length(said['size'])}" if said["size"] else ""
    yield f"{said['name']}: {_gives(said)}, {said['licence']}{size}"
    if said["kind"] == "head":
        yield f"    takes {said['dimension']:,} numbers of {' or '.join(said['embeddings'])}"
    else:
        yield f"    takes {said['input']}"
        if said["heads"]:
            yield f"    heads that fit: {', '.join(said['heads'])}"
    yield f"    here: {shown(said['where'])}" if said["ok"] else f"    not here: {said['how_to_get']}"


def length(count: int) -> str:
    """Bytes of a file, of which some are small."""
    return f"{count:,} bytes" if count < _SMALL else amount(count)


def input_words(view: View) -> str:
    """The picture that a model takes."""
    if view.fit == "long":
        return f"pictures of at most {view.size} pixels on the long side"
    cut = f"{view.crop or view.size} by {view.crop or view.size} pixels"
    if view.fit == "squash":
        return f"{cut}, the centre of {view.size} by {view.size}" if view.crop else f"{cut}, whatever the shape was"
    return f"{cut}, the centre of a picture whose short side is {view.size}"


def _gives(said: Facts) -> str:
    if said["unit"] == "region":
        return f"finds {said['task']}"
    if said["task"] == "embedding":
        return f"embedding of {said['dimension']:,} numbers"
    low, high = said["scale"]
    return f"{said['task']}, a {said['unit']} from {low:g} to {high:g}"
