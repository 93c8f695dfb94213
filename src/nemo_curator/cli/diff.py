"""`imagecurator diff`: what two runs disagree about."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import counted, shown


def diff(
    before: Annotated[
        str, typer.Argument(metavar="RUN", help="A decided run: its directory, or the OUTPUT of `run` that holds it.")
    ],
    after: Annotated[str, typer.Argument(metavar="RUN", help="Another one.")],
    limit: Annotated[int, typer.Option("--limit", min=0, metavar="N", help="Images to name at most.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """Compare the verdicts of two runs: how many images went from what to what, and which, and why."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from nemo_curator.runs.deciding import changed_images, compare, ids_of_one
    from nemo_curator.runs.location import run_at

    one, other = run_at(before), run_at(after)
    found = compare(one, other)
    images = list(islice(changed_images(one, other), limit))
    gone, come = list(islice(ids_of_one(one, other), limit)), list(islice(ids_of_one(other, one), limit))
    if as_json:
        facts = {**asdict(found), "changed": found.changed, "images": [asdict(image) for image in images]}
        sys.stdout.write(json.dumps({**facts, "ids_before": gone, "ids_after": come}, indent=2) + "\n")
        return
    console = Console(highlight=False)
    console.print(f"same verdict by the same rule: {counted(found.same, 'image')}; changed: {found.changed:,}")
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("before")
    table.add_column("after")
    table.add_column("images", justify="right")
    for step in found.transitions:
        table.add_row(Text(_verdict(*step.before)), Text(_verdict(*step.after)), f"{step.images:,}")
    if found.transitions:
        console.print(table)
    for image in images:
        sys.stdout.write(f"{shown(image.image_id)}: {_why(image.before)} → {_why(image.after)}\n")
    for count, ids, where in ((found.only_before, gone, before), (found.only_after, come, after)):
        if count:
            more = f", … ({count:,} in all)" if count > len(ids) else ""
            sys.stdout.write(f"only in {where}: {', '.join(map(shown, ids))}{more}\n")


def _verdict(verdict: str, rule: str | None) -> str:
    return f"{verdict} ({rule})" if rule else verdict


def _why(decision: Any) -> str:
    figures = ""
    if decision.score is not None and decision.threshold is not None:
        figures = f" [{decision.score:.6g} against {decision.threshold:.6g}]"
    reason = f", {decision.reason}" if decision.reason else ""
    return shown(f"{_verdict(decision.verdict, decision.rule)}{reason}{figures}")
