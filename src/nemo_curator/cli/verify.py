"""`imagecurator verify`: whether a delivered data set is what its manifest says."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from nemo_curator.cli import options
from nemo_curator.errors import VerificationError


def verify(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A data set that `export` or `run` wrote.")],
    run_dir: Annotated[
        str | None,
        typer.Option("--run", metavar="DIR", help="Run, to compare with the sources; OUTPUT/run by default."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Check every file of a data set against its manifest, and every sample against its source where that is there."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator import storage
    from nemo_curator.cli.amounts import counted
    from nemo_curator.cli.verification import checking, print_verification
    from nemo_curator.runs.exporting import verify as verified
    from nemo_curator.runs.layout import RunDirectory
    from nemo_curator.runs.location import run_at
    from nemo_curator.runs.state import RunState

    run = run_at(run_dir) if run_dir is not None else RunDirectory(storage.join(output, "run"))
    if run_dir is not None:
        RunState.require(run)
    with checking(output, quiet=as_json) as progress:
        found = verified(output, run if RunState.read(run) is not None else None, progress)
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    elif found.shards or found.problem_count > 1:  # else the one sentence below says it
        print_verification(found)
    if found.problems:
        raise VerificationError(
            f"not what its manifest says: {counted(found.problem_count, 'problem')}, the first: {found.problems[0]}",
            where=output,
            act="bring the files back; or give the same `export` command again, which goes on where it stopped, "
            "with --replace where it had ended",
        )
