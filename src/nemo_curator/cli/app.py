"""The command `imagecurator` and its subcommands."""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from nemo_curator import __version__
from nemo_curator.cli.decide import decide
from nemo_curator.cli.decontaminate import decontaminate
from nemo_curator.cli.demo import demo
from nemo_curator.cli.diff import diff
from nemo_curator.cli.doctor import doctor
from nemo_curator.cli.duplicates import duplicates
from nemo_curator.cli.embed import embed
from nemo_curator.cli.explain import explain
from nemo_curator.cli.export import export
from nemo_curator.cli.failures import as_sentences
from nemo_curator.cli.fetch import fetch
from nemo_curator.cli.init import init
from nemo_curator.cli.leaks import leaks
from nemo_curator.cli.models import models
from nemo_curator.cli.remove import remove
from nemo_curator.cli.report import report
from nemo_curator.cli.run import run
from nemo_curator.cli.score import score
from nemo_curator.cli.search import search
from nemo_curator.cli.stage_plan import plan
from nemo_curator.cli.status import status
from nemo_curator.cli.usage import Command, Group
from nemo_curator.cli.verify import verify
from nemo_curator.cli.view import view

app = typer.Typer(
    name="imagecurator",
    cls=Group,
    help="Turn a pile of images into a dataset worth training on: every input accounted for, original bytes kept.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Every day": (run, plan, view, decide, export, report),
    "Look into a run": (status, explain, duplicates, search, diff),
    "Single steps": (fetch, score, embed),
    "Evaluation sets": (decontaminate, leaks),
    "Data sets that were written": (verify, remove),
    "To begin with": (init, doctor, demo),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(command.__name__, cls=Command, rich_help_panel=panel)(as_sentences(command))
app.add_typer(models, rich_help_panel="To begin with")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"imagecurator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    """Options before the subcommand."""


_ALLOCATIONS = 1000
"""Objects between two looks for garbage, instead of 700: a command imports a thousand modules, which stay. Not more,
because the end of a Parquet is a ring of a few objects with much behind them."""


def main() -> None:
    """Run the command."""
    gc.set_threshold(_ALLOCATIONS)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be text that the terminal can show
    app()
