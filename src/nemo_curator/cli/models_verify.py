"""`imagecurator models verify`: whether the weights that are here are the published ones, and can be read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.errors import WeightsError, WeightsNotFoundError

if TYPE_CHECKING:
    from nemo_curator.models.inventory import Checked

_WORDS = {
    "published": "the published file",
    "other": "another file than the published one (yours?)",
    "unknown": "no hash of a published file is known",
    "missing": "missing",
}
_USABLE = {
    "published": "as published, and readable",
    "other": "readable, but not as published",
    "unknown": "readable",
    "missing": "not here",
    "damaged": "cannot be used",
}


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Models or heads; all that are here by default.")
    ] = None,
    model_dir: options.ModelDir = None,
    as_json: options.AsJson = False,
) -> None:
    """Hash the weights that are here, compare them with the published ones, and read each as the model it should be."""
    # imported here so that `--help` and other commands need not wait for NumPy
    from nemo_curator.models import registry
    from nemo_curator.models.inventory import check

    specs = [registry.get_spec(name, model_dir) for name in names] if names else registry.specs()
    found: list[Checked] = []
    for spec in specs:
        found.append(check(spec, model_dir))
        if not as_json and (names or found[-1].state != "missing"):
            sys.stdout.write("\n".join(_lines(found[-1])) + "\n")
            sys.stdout.flush()
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    else:
        _say_missing([one.name for one in found if one.state == "missing"], asked=bool(names))
    damaged = [one for one in found if one.state == "damaged"]
    if damaged:
        raise WeightsError(f"the model {damaged[0].name} cannot be used: {damaged[0].problem}")
    missing = [one for one in found if one.state == "missing"]
    if names and missing:
        raise WeightsNotFoundError(f"the model {missing[0].name} is not here: {missing[0].problem}")


def _lines(found: Checked) -> Iterator[str]:
    from nemo_curator.cli.amounts import shown
    from nemo_curator.cli.model_words import length

    yield f"{found.name}: {_USABLE[found.state]}"
    if found.texts:
        yield f"    for pictures alone, no texts (clip_score, clip_prompts, search --text): {shown(found.texts)}"
    for file in found.files:
        facts = f", {length(file.size)}, sha256 {file.sha256}" if file.sha256 else ""
        needless = file.state == "missing" and found.state not in {"missing", "damaged"}
        yield f"    {shown(file.path)}: {'missing, and not needed' if needless else _WORDS[file.state]}{facts}"


def _say_missing(names: list[str], *, asked: bool) -> None:
    if names and not asked:
        sys.stdout.write(f"not here: {', '.join(names)}; `imagecurator models` says how to get them\n")
