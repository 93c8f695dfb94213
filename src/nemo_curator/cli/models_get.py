"""`imagecurator models get`: the published weights of models, from the hub to a directory of the user's."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nemo_curator.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from nemo_curator.models.spec import HeadSpec, ModelSpec


def get(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Models or heads; `imagecurator models` lists.")
    ],
    model_dir: options.ModelDir = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace files that are not known to be the published ones.")
    ] = False,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Fetch the published weights of models from the hub: a pinned commit, compared with the hashes that are known."""
    # imported here so that `--help` and other commands need not wait for NumPy
    from nemo_curator.models import registry
    from nemo_curator.models.hub import required_directory

    directory = required_directory(model_dir)
    specs = [registry.get_spec(name, directory) for name in names]
    got = {spec.name: _get(spec, directory, replace=replace, dry_run=dry_run, quiet=as_json) for spec in specs}
    if as_json:
        sys.stdout.write(json.dumps({"dry_run": dry_run, "models": got}, indent=2) + "\n")
    elif dry_run:
        sys.stdout.write("This was a dry run: nothing is fetched.\n")


def _get(spec: ModelSpec | HeadSpec, directory: Path, *, replace: bool, dry_run: bool, quiet: bool) -> dict[str, Any]:
    from nemo_curator.cli.amounts import counted, shown
    from nemo_curator.cli.model_words import length
    from nemo_curator.models.hub import bring
    from nemo_curator.models.inventory import lying, to_fetch
    from nemo_curator.models.spec import PackagedWeights

    def tell(line: str) -> None:
        if not quiet:
            sys.stdout.write(f"{shown(line)}\n")
            sys.stdout.flush()

    weights = spec.weights
    if isinstance(weights, PackagedWeights) or not weights.files:
        here = weights.find(directory)  # or the sentence that says what to install, or to put where
        tell(f"{spec.name}: here, {here}")
        return {"fetched": [], "here": [str(here)], "licence": spec.licence}
    files = to_fetch(weights, lying(weights, directory), replace=replace)
    if files:
        known = all(file.size for file in files if file.name in weights.names)
        size = f", {length(sum(file.size for file in files))}" if known else ""
        if weights.repository:
            tell(f"{spec.name}: {counted(len(files), 'file')}{size} of {weights.address}, licence {spec.licence}")
        if not dry_run or not weights.repository:
            bring(weights, directory, files, progress=not quiet and sys.stderr.isatty(), tell=tell)
    if not files or not dry_run:
        tell(f"{spec.name}: here, {weights.find(directory)}")
    kept = [file for file in weights.files if file not in files]
    return {
        "fetched": [str(directory / weights.place(file.name)) for file in files],
        "here": [str(directory / weights.place(file.name)) for file in kept],
        "licence": spec.licence,
    }
