"""`imagecurator decide`: verdicts from stored scores, in seconds."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from nemo_curator.cli import options


def decide(
    run: options.RunPlace,
    recipe: options.RecipeFile = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="NAME=EXPRESSION", help="Set one rule of the recipe; the others stay."),
    ] = None,
    settings: options.Settings = None,
    pixels: options.Pixels = False,
    copies: options.Copies = None,
    turned: options.Turned = False,
    similar: options.Similar = None,
    protect: options.Protect = None,
    against: options.Against = None,
    report: Annotated[bool, typer.Option("--report", help="Write the report page too.")] = False,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Decide anew on a scored run: none of its images is read; protect sets that are new are."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator import storage
    from nemo_curator.cli.display import display
    from nemo_curator.cli.no_pandas import leave_pandas_out
    from nemo_curator.cli.observing import NOWHERE, Observing, observed
    from nemo_curator.cli.recipe_options import DuplicateOptions, changed_recipe, reach_by
    from nemo_curator.cli.summary import announce, print_funnel, print_notes
    from nemo_curator.pipeline.decide import decide_locked, recipe_of
    from nemo_curator.report.page import write_report
    from nemo_curator.runs.location import run_at

    leave_pandas_out()
    settings = DuplicateOptions(pixels, copies, turned, similar, protect, against).settings(settings)
    reach_by(recipe, settings)
    place = run_at(run)
    chosen = changed_recipe(recipe_of(place), recipe, settings, rules)
    observing = NOWHERE if dry_run else Observing(log_json, metrics)
    shown_by = display(quiet=as_json or observing.takes_stderr)
    with observed("decide", observing, shown_by, {"run": place.root}) as watcher:
        try:
            funnel = decide_locked(place, chosen, write=not dry_run, watcher=watcher)
        finally:
            watcher.close()
        if report and not dry_run:
            write_report(place)
    if as_json:
        facts = {"run": place.root, "dry_run": dry_run, "inputs": funnel.inputs, "kept": funnel.kept}
        facts |= {"funnel": funnel.figures, "warnings": [asdict(one) for one in funnel.warnings]}
        facts["pairs"] = [asdict(one) for one in funnel.pairs]
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    announce(chosen, "Your recipe" if recipe else "The run's recipe", changed=bool(rules or settings))
    print_funnel(funnel)
    print_notes(funnel)
    if dry_run:
        sys.stdout.write("This was a dry run: the verdicts of the run are what they were.\n")
    elif report:
        sys.stdout.write(f"report: {place.report}\nnext:   imagecurator export {place.root} OUTPUT\n")
    else:
        if storage.exists(place.report):
            again = f"`imagecurator report {place.root}` writes it anew"
            sys.stdout.write(f"report: {place.report} shows the verdicts before these; {again}\n")
        sys.stdout.write(f"run:    {place.root}\nnext:   imagecurator export {place.root} OUTPUT\n")
