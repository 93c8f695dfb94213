"""`imagecurator remove`: a take-down."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from nemo_curator.cli import options


def remove(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A data set that `export` or `run` wrote.")],
    ids: Annotated[
        str, typer.Option("--ids", metavar="FILE", help="Ids to take out: one a line, or a Parquet with image_id.")
    ],
    dry_run: options.DryRun = False,
    as_json: options.AsJson = False,
) -> None:
    """Take images out of a delivered data set: only the shards that hold them are written anew, and the manifest."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator import storage
    from nemo_curator.cli.verification import print_removal
    from nemo_curator.pipeline.output import sweep_output
    from nemo_curator.runs.deciding import read_id_list
    from nemo_curator.runs.exporting import remove_samples

    listed = read_id_list(ids)
    if dry_run or not storage.is_directory(output):  # which a lock would make
        removal = remove_samples(output, listed, write=False)
    else:
        with storage.locked(output):
            sweep_output(output)
            removal = remove_samples(output, listed)
    if as_json:
        sys.stdout.write(json.dumps({"dry_run": dry_run, **asdict(removal)}, indent=2) + "\n")
    else:
        print_removal(removal, ids, dry_run=dry_run)
