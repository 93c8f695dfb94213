"""`imagecurator report`: the page of a decided run, written again."""

from __future__ import annotations

import json
import sys

from nemo_curator.cli import options


def report(run: options.RunPlace, as_json: options.AsJson = False) -> None:
    """Write the report page of a decided run again; its images are read for thumbnails alone."""
    # imported here so that `--help` and other commands need not wait for pyarrow and DuckDB
    from nemo_curator.cli.amounts import amount
    from nemo_curator.pipeline.export import decided_state
    from nemo_curator.report.page import write_report
    from nemo_curator.runs.location import run_at

    place = run_at(run)
    decided_state(place)
    size = write_report(place)
    if as_json:
        sys.stdout.write(json.dumps({"run": place.root, "report": place.report, "bytes": size}, indent=2) + "\n")
    else:
        sys.stdout.write(f"report: {place.report} ({amount(size)})\n")
