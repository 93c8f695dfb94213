"""`--profile`: the same command again, watched by py-spy, and then where its time went."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nemo_curator import storage
from nemo_curator.cli.amounts import shown
from nemo_curator.errors import MissingExtraError, StorageError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.location import run_at
from nemo_curator.runs.state import RunState

OPTION = "--profile"
_RATE = "100"  # looks a second at every process


def profiled(run: RunDirectory, arguments: Sequence[str] | None = None) -> None:
    """Run the command that was given once more without `--profile`, and leave by its exit code.

    A flame graph over all its processes goes into the run directory, and a table of its stages to the terminal.

    Args:
        run: The run directory of that command.
        arguments: What was given to `imagecurator`; those of this process by default.

    Raises:
        MissingExtraError: py-spy is not installed.
        StorageError: The flame graph cannot be written.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    rest = [one for one in given if one != OPTION]
    with tempfile.TemporaryDirectory() as folder:
        graph, ended = Path(folder, "profile.svg"), Path(folder, "ended")
        # It is py-spy that starts the command, so that it may look at it: a process may not look at any other. It looks
        # without stopping: a worker that is killed while it is stopped may never end, and the command with it.
        watched = [
            _py_spy(),
            "record",
            "--subprocesses",
            "--nonblocking",
            "--rate",
            _RATE,
            "--output",
            str(graph),
            "--",
        ]
        out = os.dup(1)  # what py-spy has to say goes to the other stream
        inner = [sys.executable, "-m", "nemo_curator.cli.watched", str(ended), str(out), *rest]
        subprocess.run([*watched, *inner], check=False, stdout=2, pass_fds=[out])  # noqa: S603 (the command that the user gave)
        os.close(out)
        code = int(ended.read_text()) if ended.exists() else 1
        if code:
            raise typer.Exit(code)
        if not graph.exists():
            raise StorageError(
                "the run is complete, but py-spy wrote no flame graph",
                where=run.profile,
                cause="it may not look at other processes here",
                act="allow it to (in a container, --cap-add SYS_PTRACE), or leave --profile out",
            )
        run = run_at(run.root)  # the command has made it, if it was not there
        with storage.write_atomic(run.profile) as file:
            file.write(graph.read_bytes())
    _tell(run, quiet="--json" in rest)
    raise typer.Exit(0)


def stage_rows(seconds: Mapping[str, float], inputs: Mapping[str, int]) -> list[tuple[str, float, float, float | None]]:
    """Of every stage its name, seconds, share, and milliseconds an input where those were counted; longest first.

    Args:
        seconds: Stage to what its calls took.
        inputs: Stage to the inputs that they were spent on.
    """
    whole = sum(seconds.values())
    rows = [
        (stage, taken, taken / whole if whole else 0.0, 1000 * taken / inputs[stage] if inputs.get(stage) else None)
        for stage, taken in seconds.items()
    ]
    return sorted(rows, key=lambda row: -row[1])


def stage_table(seconds: Mapping[str, float], inputs: Mapping[str, int]) -> Table:
    """The same for a terminal."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("stage", "seconds", "share", "ms an input"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for stage, taken, share, each in stage_rows(seconds, inputs):
        table.add_row(Text(shown(stage)), f"{taken:.2f}", f"{share:.0%}", "" if each is None else f"{each:.2f}")
    return table


def _tell(run: RunDirectory, *, quiet: bool) -> None:
    """The stages and where the graph is; beside JSON on the other stream."""
    state = RunState.require(run)
    console = Console(stderr=quiet, highlight=False)
    console.print("\nSeconds of the stages, over all workers:")
    console.print(stage_table(state.facts.get("stage_seconds") or {}, state.facts.get("stage_inputs") or {}))
    console.print(Text(f"flame graph: {shown(run.profile)}"), soft_wrap=True)


def _py_spy() -> str:
    """Where py-spy is: beside this Python, or on the path."""
    beside = shutil.which("py-spy", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which("py-spy")
    if found is None:
        raise MissingExtraError(
            "--profile needs the program py-spy, which is not installed",
            act="run: pip install 'imagecurator[profile]'",
        )
    return found
