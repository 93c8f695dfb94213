"""`imagecurator decontaminate`: take what leaks from evaluation sets out of a data set."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer

from nemo_curator.cli import options

_ALL = 2**31
_BASE = "scores: []\nrules: {}\nduplicates: {copies: {distance: 31}, within: false}\n"


def decontaminate(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET", help="A data set of ours, a folder of images, a tar, a Parquet, or a pattern."
        ),
    ],
    protect: Annotated[
        list[str],
        typer.Option(
            "--protect",
            metavar="DATASET",
            help="An evaluation set that must not leak: tar, Parquet, folder, data set, scored run; NAME=PATH too.",
        ),
    ],
    output: Annotated[
        str | None, typer.Option("--output", metavar="DIR", help="Write the data set without what leaks into this.")
    ] = None,
    run_dir: Annotated[
        str | None,
        typer.Option("--run", metavar="DIR", help="Run directory to keep scores in; DIR/run of --output by default."),
    ] = None,
    leaks: Annotated[
        str | None, typer.Option("--leaks", metavar="FILE", help="Write every leak into this file, as Parquet.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Leaking images to list at most.")] = 10,
    settings: options.Settings = None,
    pixels: options.Pixels = False,
    copies: options.Copies = None,
    turned: options.Turned = False,
    similar: options.Similar = None,
    workers: options.Workers = None,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    as_json: options.AsJson = False,
) -> None:
    """Find images of a data set that show one of an evaluation set: the same bytes, or by default an edited copy."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.display import display
    from nemo_curator.cli.leaks import print_leaking
    from nemo_curator.cli.observing import Observing, observed
    from nemo_curator.cli.recipe_options import DuplicateOptions, overridden
    from nemo_curator.cli.summary import print_notes, print_summary, summary_facts
    from nemo_curator.errors import LeakError
    from nemo_curator.pipeline.decontaminate import decontaminate as decontaminated

    given = DuplicateOptions(pixels, copies, turned, similar, protect).settings(settings)
    recipe = overridden(_BASE, given)
    if not recipe.scores:
        recipe = recipe.model_copy(update={"scores": list(recipe.duplicates.scores)})
    observing = Observing(log_json, metrics)
    places = {"inputs": [dataset, *protect]} | {name: at for name, at in (("output", output), ("run", run_dir)) if at}
    with observed("decontaminate", observing, display(quiet=as_json or observing.takes_stderr), places) as watcher:
        found = decontaminated(
            dataset,
            recipe,
            output=output,
            run_dir=run_dir,
            leaks_file=leaks,
            by="protected" if as_json else "image",
            limit=_ALL if as_json else limit,
            ends=_ALL if as_json else 1,
            workers=workers,
            watcher=watcher,
        )
    if as_json:
        facts: dict[str, Any] = {"dataset": dataset, "inputs": found.funnel.inputs, **asdict(found.leaks)}
        facts |= {"funnel": found.funnel.figures, "file": leaks}
        facts["written"] = summary_facts(found.summary) if found.summary else None
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        print_leaking(found.leaks)
        if leaks is not None:
            sys.stdout.write(f"\nleaks: {leaks}\n")
        if found.summary:
            print_summary(found.summary, aloud=not observing.takes_stderr)
        else:
            print_notes(replace(found.funnel, shown={}))  # they are listed above
    if found.leaks.images and found.summary is None:
        raise LeakError(
            f"{found.leaks.images:,} of {found.funnel.inputs:,} images show some that are protected",
            where=dataset,
            act="write the data set without them with `--output DIR`",
        )
