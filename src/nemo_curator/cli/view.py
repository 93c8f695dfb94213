"""`imagecurator view`: the report page over a whole run, served to a browser on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.cli.amounts import shown


def view(
    run: options.RunPlace,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="Port to listen at; any free one by default.")
    ] = 0,
    browser: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-browser", help="Open the page in a browser, or do not; by default where there is a display."
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let the page count what other rules would do, but write nothing.")
    ] = False,
) -> None:
    """Show a decided run in a browser: all its images, and its rules to change. Ends with Ctrl-C."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.no_pandas import leave_pandas_out
    from nemo_curator.pipeline.export import decided_state
    from nemo_curator.pipeline.run import Run
    from nemo_curator.report.serving.serve import Serving
    from nemo_curator.runs.deciding import Funnel
    from nemo_curator.runs.location import run_at

    leave_pandas_out()
    place = run_at(run)
    decided_state(place)

    def decide(rules: Mapping[str, str], *, write: bool) -> Funnel:
        return Run(place.root).decide(write=write, rules=dict(rules))

    with Serving(place, decide, port=port, writes=not read_only) as serving:
        sys.stdout.write(f"{_greeting(place.root, serving.address, to_terminal=sys.stdout.isatty())}\n")
        sys.stdout.flush()
        if _has_display() if browser is None else browser:
            _open(serving.once())
        serving.work()


def _greeting(run: str, address: str, *, to_terminal: bool) -> str:
    """The first line: for a program the address alone."""
    return f"Serving {shown(run)} at {address}; Ctrl-C ends it" if to_terminal else address


def _has_display() -> bool:
    """Whether a person sits here and can be shown something."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        sys.stderr.write("imagecurator: no browser could be started; open the address above\n")
