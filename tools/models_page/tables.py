"""The tables of the page of models, made from the registry."""

from __future__ import annotations

import re
from pathlib import Path

from nemo_curator.cli.model_words import input_words
from nemo_curator.models import registry
from nemo_curator.models.spec import HeadSpec, ModelSpec, PackagedWeights

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "models.md"
Spec = ModelSpec | HeadSpec


def models() -> list[str]:
    """The table of models: what each takes and gives."""
    lines = ["| `model` | for | takes | gives | heads that fit | licence |", "|---|---|---|---|---|---|"]
    for spec in registry.specs():
        if isinstance(spec, ModelSpec):
            heads = ", ".join(f"`{name}`" for name in registry.fitting_heads(spec.name)) or "—"
            gives = {"embedding": f"{spec.dimension:,} numbers"}.get(spec.task, _plural(spec))
            takes = input_words(spec.view)
            lines.append(f"| `{spec.name}` | {spec.task} | {takes} | {gives} | {heads} | {spec.licence} |")
    return lines


def heads() -> list[str]:
    """The table of heads: whose embeddings each takes, and its scale."""
    lines = ["| head | for | takes | gives | licence |", "|---|---|---|---|---|"]
    for spec in registry.specs():
        if isinstance(spec, HeadSpec):
            takes = f"{spec.dimension:,} numbers of {', '.join(f'`{name}`' for name in spec.embeddings)}"
            gives = f"{spec.unit}, {spec.scale[0]:g} to {spec.scale[1]:g}"
            lines.append(f"| `{spec.name}` | {spec.task} | {takes} | {gives} | {spec.licence} |")
    return lines


def sources() -> list[str]:
    """The table of places: where weights come from, and where they belong."""
    lines = ["| `model` | where it is published | file in the directory of models |", "|---|---|---|"]
    for spec in registry.specs():
        weights = spec.weights
        if isinstance(weights, PackagedWeights):
            extra = f" (extra `{weights.extra}`)" if weights.extra else ""
            lines.append(f"| `{spec.name}` | the package `{weights.distribution}`{extra} | none |")
            continue
        origin = f"[{weights.origin}]({weights.address})" if weights.address else weights.origin
        commit = f", commit `{weights.revision}`" if weights.revision else ""
        names = " or ".join(f"`{weights.place(name)}`" for name in weights.names)
        beside = "".join(f", `{name}` beside it" for name in weights.beside)
        lines.append(f"| `{spec.name}` | {origin}{commit} | {names}{beside} |")
    return lines


def files() -> list[str]:
    """The table of hashes: every file of which something is known."""
    lines = ["| `model` | file | bytes | SHA-256 |", "|---|---|---:|---|"]
    for spec in registry.specs():
        weights = spec.weights
        if isinstance(weights, PackagedWeights):
            name = weights.file.rsplit("/", 1)[-1]
            lines.append(f"| `{spec.name}` | `{name}` | | `{spec.sha256}` |")
            continue
        for file in weights.files:
            size = f"{file.size:,}" if file.size else "?"
            sha256 = f"`{file.sha256}`" if file.sha256 else "?"
            lines.append(f"| `{spec.name}` | `{file.name}` | {size} | {sha256} |")
    return lines


def _plural(spec: ModelSpec) -> str:
    return f"a {spec.unit}, {spec.low:g} to {spec.high:g}" if spec.dimension == 1 else f"{spec.unit}s"


TABLES = {"models": models, "heads": heads, "sources": sources, "files": files}


def renewed(text: str) -> str:
    """The page with its tables made anew, each between `<!-- name -->` and `<!-- /name -->`."""
    for name, make in TABLES.items():
        block = f"<!-- {name} -->\n\n" + "\n".join(make()) + f"\n\n<!-- /{name} -->"
        pattern = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
        text, count = pattern.subn(lambda _, block=block: block, text)
        if count != 1:
            raise ValueError(f"the page has {count} places for the table {name!r}, not one")
    return text
