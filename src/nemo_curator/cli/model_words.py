"""What the registry knows of a model, as plain data for machines and in words for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nemo_curator.cli.amounts import amount, shown
from nemo_curator.kernels.view import View
from nemo_curator.models import registry
from nemo_curator.models.spec import HeadSpec, ModelSpec, PackagedWeights
from nemo_curator.models.weights import MODEL_DIR

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
    said |= {"ok": state.ok, "where": state.detail if state.ok else "", "how_to_get": state.how_to_get}
    return said | {"way": _way(spec, state)}


_WAYS = {  # how weights that are not here come here: what the table calls it, and what a user does
    "get": "`imagecurator models get NAME` fetches it into your directory of models",
    "pip": "`imagecurator models --verbose` says which extra to install",
    "by hand": "`imagecurator models --verbose` says where it is, and where to put it",
    "unreadable": "`imagecurator models --verbose` says why",
}


def table(found: Sequence[Facts]) -> Iterator[str]:
    """Every model on a line: name, what it gives, size, whether it is here, licence; then what to do, once.

    Args:
        found: As `facts` gives them.
    """
    rows = [
        (one["name"], _gives_briefly(one), length(one["size"]) if one["size"] else "", one["way"], one["licence"])
        for one in found
    ]
    yield from _columns([("name", "gives", "size", "weights", "licence"), *rows])
    here = sum(one["ok"] for one in found)
    ways = {name: words for name, words in _WAYS.items() if name in {row[3] for row in rows}}
    yield f"\n{here:,} of {len(found):,} are here.{' Of the others:' if ways else ''}"
    for name, words in ways.items():
        yield f"  {name:<{max(map(len, ways))}}  {words}"
    if ways:
        yield f"Your directory of models is what {MODEL_DIR} or --model-dir DIR names."
    yield "`imagecurator models --verbose` says more of each; `models verify` checks them."


def _way(spec: ModelSpec | HeadSpec, state: registry.Availability) -> str:
    """`here`, or how the weights of a model come here."""
    if state.ok:
        return "here"
    if state.how_to_get != spec.weights.how_to_get:
        return "unreadable"
    if isinstance(spec.weights, PackagedWeights):
        return "pip"
    return "get" if spec.weights.fetchable else "by hand"


def _gives_briefly(said: Facts) -> str:
    if said["task"] == "embedding":
        return f"embedding {said['dimension']:,}"
    return f"{said['task']}{' head' if said['kind'] == 'head' else ''}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows in columns that are as wide as what stands in them; no line is broken."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


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
