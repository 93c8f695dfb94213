"""`imagecurator export`: the kept samples of a decided run as a data set."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.errors import RecipeError


class Format(StrEnum):
    """Formats of a data set."""

    webdataset = "webdataset"
    folder = "folder"
    parquet = "parquet"


def export(
    run: options.RunPlace,
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Folder for the data set.")],
    shard_size: Annotated[
        int | None, typer.Option("--shard-size", min=1, metavar="N", help="Samples a shard holds.")
    ] = None,
    shard_bytes: Annotated[
        str | None, typer.Option("--shard-bytes", metavar="SIZE", help="Bytes a shard holds at most, as in 1GB.")
    ] = None,
    output_format: Annotated[
        Format | None, typer.Option("--format", help="Tars with a Parquet each, folders of files, or Parquet alone.")
    ] = None,
    settings: options.Settings = None,
    skip_missing: options.SkipMissing = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the result in the place of an earlier data set.")
    ] = False,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Write the kept samples with their original bytes; an interrupted export goes on where it stopped."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.display import display
    from nemo_curator.cli.observing import Observing, observed
    from nemo_curator.cli.recipe_options import export_recipe, reach_by
    from nemo_curator.cli.summary import export_facts, plan_facts, print_export, print_export_plan
    from nemo_curator.pipeline.decide import recipe_of
    from nemo_curator.pipeline.export import export_locked, plan_export_of
    from nemo_curator.runs.layout import RunDirectory

    if shard_size is not None and shard_bytes is not None:
        raise RecipeError("a shard has one limit", act="give one of --shard-size and --shard-bytes")
    place = RunDirectory(run)
    own = list(settings or [])
    own += [f"export.format={output_format.value}"] if output_format is not None else []
    own += [f"export.shard_size={shard_size}"] if shard_size is not None else []
    own += [f"export.shard_bytes={shard_bytes}"] if shard_bytes is not None else []
    reach_by(None, own)
    recipe = export_recipe(recipe_of(place), own)
    if dry_run:
        plan = plan_export_of(place, output, recipe, replace=replace, skip_missing=skip_missing)
        if as_json:
            sys.stdout.write(json.dumps(plan_facts(plan, output), indent=2) + "\n")
        else:
            print_export_plan(plan, output)
        return
    observing = Observing(log_json, metrics)
    shown_by = display(quiet=as_json or observing.takes_stderr)
    with observed("export", observing, shown_by, {"run": run, "output": output}) as watcher:
        exported = export_locked(place, output, recipe, replace=replace, skip_missing=skip_missing, watcher=watcher)
    if as_json:
        sys.stdout.write(json.dumps(export_facts(exported, output), indent=2) + "\n")
    else:
        print_export(exported, output, run)
