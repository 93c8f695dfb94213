"""A command does not wait for pandas, and whoever wants a DataFrame still gets one."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEFT_OUT = """
import sys
import pyarrow as pa
from nemo_curator.cli.no_pandas import leave_pandas_out
leave_pandas_out()
table = pa.table({"a": pa.array([1, None, 3])})
print("pandas" in sys.modules, table["a"].to_numpy()[0])
import pandas
print(type(table.to_pandas()) is pandas.DataFrame, pa.Table.from_pandas(pandas.DataFrame({"b": [1.5]})).to_pydict())
"""

RUN = """
import sys
from nemo_curator.cli.app import main
sys.argv = ["imagecurator", "run", *sys.argv[1:], "--scores", "header", "--workers", "1", "--json"]
try:
    main()
finally:
    print("pandas" in sys.modules, file=sys.stderr)
"""


def test_arrow_finds_no_pandas_until_it_is_asked_for_a_frame():
    """Arrays and NumPy do without; a DataFrame comes and goes as ever."""
    pytest.importorskip("pandas", reason="pandas is not installed")
    done = subprocess.run([sys.executable, "-c", LEFT_OUT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["False 1.0", "True {'b': [1.5]}"]


def test_a_run_needs_no_pandas(place, tmp_path):
    """From the first import to the report, the command's own process has not loaded it."""
    command = [sys.executable, "-c", RUN, str(place / "in"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1:]) == (0, ["False"])
