"""Write the report of a decided run once, in a process of its own."""

from __future__ import annotations

import sys

from nemo_curator.report.page import write_report
from nemo_curator.runs.layout import RunDirectory

if __name__ == "__main__":
    sys.stdout.write(f"{write_report(RunDirectory(sys.argv[1]))}\n")
