"""`imagecurator demo`: a small real data set, curated, with a report to look at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from nemo_curator.cli import options


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to build it; new, empty, or an earlier demo.")
    ] = Path("demo"),
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=0, help="Worker processes; one a core by default, 0 for none.")
    ] = None,
    log_json: options.LogJson = None,
    metrics: options.Metrics = None,
) -> None:
    """Build a small data set of real photos with typical faults, curate it, and print where the report is."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.demo_folder import INPUT, OUTPUT, RECIPE, prepare, recipe_text
    from nemo_curator.cli.display import display
    from nemo_curator.cli.observing import Observing, observed
    from nemo_curator.cli.summary import announce, print_summary
    from nemo_curator.pipeline.curate import curate
    from nemo_curator.planning.recipe_text import parse_recipe
    from nemo_curator.report.developers import Developers
    from nemo_curator.report.page import write_report

    observing = Observing(log_json, metrics)
    quiet = observing.takes_stderr
    recipe = parse_recipe(recipe_text(), where=str(folder / RECIPE))
    shown_by = display(quiet=quiet, opening=lambda: announce(recipe, f"The demo's recipe ({folder / RECIPE})"))
    with Developers() as developers, observed("demo", observing, shown_by, {"output": str(folder)}) as watcher:
        if not quiet:
            sys.stderr.write(f"Building a data set of real photos in {folder / INPUT} …\n")
        prepare(folder)
        summary = curate(
            [str(folder / INPUT)],
            str(folder / OUTPUT),
            recipe,
            workers=workers,
            replace=True,
            watcher=watcher,
            decided=developers.start_ahead,
        )
        write_report(summary.run, developers)
    print_summary(summary, aloud=not quiet)
