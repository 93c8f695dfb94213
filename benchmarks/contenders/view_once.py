"""Serve the page of a decided run until it is ended: prints the address, then serves."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from nemo_curator.report.serving.serve import Serving
from nemo_curator.runs.deciding import Funnel
from nemo_curator.runs.layout import RunDirectory


def decide(_rules: Mapping[str, str], *, write: bool) -> Funnel:
    """Nothing is decided here."""
    raise NotImplementedError(write)


if __name__ == "__main__":
    with Serving(RunDirectory(sys.argv[1]), decide, writes=False) as serving:
        sys.stdout.write(f"{serving.address}\n")
        sys.stdout.flush()
        serving.work()
