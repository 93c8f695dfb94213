"""`imagecurator export`: the kept samples of a decided run as a data set."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.errors import RecipeError


class Encoding(StrEnum):
    """Formats that images are encoded as."""

    jpeg = "jpeg"
    png = "png"
    webp = "webp"
    avif = "avif"


class Format(StrEnum):
    """Formats of a data set."""

    webdataset = "webdataset"
    folder = "folder"
    parquet = "parquet"
    mds = "mds"


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
        Format | None,
        typer.Option("--format", help="Tars, folders or MDS shards with a Parquet each, or Parquet alone."),
    ] = None,
    longest: Annotated[
        int | None, typer.Option("--longest", min=1, metavar="PIXELS", help="Make larger images smaller, to this side.")
    ] = None,
    shortest: Annotated[
        int | None, typer.Option("--shortest", min=1, metavar="PIXELS", help="The same by the shorter side.")
    ] = None,
    encode: Annotated[
        Encoding | None, typer.Option("--encode", help="Encode images of other formats anew, as this one.")
    ] = None,
    quality: Annotated[
        int | None, typer.Option("--quality", min=1, max=100, help="Of images that are encoded anew; 90 by default.")
    ] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write a data card (README.md) and croissant.json beside the data set.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Processes that encode; one a core by default.")
    ] = None,
    memory: options.Memory = None,
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
    """Write the kept samples with their original bytes, or made smaller; an interrupted export goes on."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.display import display
    from nemo_curator.cli.observing import Observing, observed
    from nemo_curator.cli.recipe_options import export_recipe, reach_by
    from nemo_curator.cli.summary import export_facts, plan_facts, print_export, print_export_plan
    from nemo_curator.pipeline.decide import recipe_of
    from nemo_curator.pipeline.export import export_locked, plan_export_of
    from nemo_curator.runs.location import run_at

    if longest is not None and shortest is not None:
        raise RecipeError("an image has one new size", act="give one of --longest and --shortest")
    if shard_size is not None and shard_bytes is not None:
        raise RecipeError("a shard has one limit", act="give one of --shard-size and --shard-bytes")
    own = list(settings or [])
    own += [f"export.format={output_format.value}"] if output_format is not None else []
    own += [f"export.shard_size={shard_size}"] if shard_size is not None else []
    own += [f"export.shard_bytes={shard_bytes}"] if shard_bytes is not None else []
    own += ["export.card=true"] if card else []
    own += [f"export.resize.longest={longest}"] if longest is not None else []
    own += [f"export.resize.shortest={shortest}"] if shortest is not None else []
    own += [f"export.encode.format={encode.value}"] if encode is not None else []
    own += [f"export.encode.quality={quality}"] if quality is not None else []
    reach_by(None, own)
    place = run_at(run)
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
    with observed("export", observing, shown_by, {"run": place.root, "output": output}) as watcher:
        exported = export_locked(
            place,
            output,
            recipe,
            replace=replace,
            skip_missing=skip_missing,
            watcher=watcher,
            workers=workers,
            memory=memory,
        )
    if as_json:
        sys.stdout.write(json.dumps(export_facts(exported, output), indent=2) + "\n")
    else:
        print_export(exported, output, place.root)
