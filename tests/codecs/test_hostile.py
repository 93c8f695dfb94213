from __future__ import annotations

import json
import subprocess
import sys

import pytest

# runs in a process of its own: a decoder that crashes, hangs or eats memory fails the test, not the session
SCRIPT = """
import json, os, pathlib, resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import SampleError
folder = pathlib.Path(sys.argv[1])
outcomes = {}
for path in sorted(p for p in folder.rglob("*") if p.is_file()):
    data = path.read_bytes()
    start = time.perf_counter()
    try:
        outcome = list(decode(data, probe(data)).shape)
    except SampleError as error:
        outcome = f"{error.code}: {error}"
    outcomes[str(path.relative_to(folder))] = [outcome, time.perf_counter() - start]
# not getrusage: its peak starts from that of the process which started this one
status = pathlib.Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps({"outcomes": outcomes, "peak_kilobytes": peak}))
"""


@pytest.fixture(scope="module")
def report(shared_data):
    """Outcome and seconds of every hostile file, and the peak memory of the process that read them."""
    command = [sys.executable, "-W", "error", "-c", SCRIPT, str(shared_data / "hostile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_every_hostile_file_has_an_outcome(report):
    """Nothing crashes or hangs; each file decodes or is one sentence."""
    assert len(report["outcomes"]) > 900
    for name, (outcome, seconds) in report["outcomes"].items():
        assert seconds < 5, name
        if isinstance(outcome, str):
            assert "\n" not in outcome, name
            assert len(outcome) < 300, name


def test_memory_stays_small(report):
    """The whole folder is read within the budget of one worker."""
    assert report["peak_kilobytes"] < 1_000_000


def test_bombs_are_limit_errors(report):
    """The announced size decides, not an allocation that fails."""
    for name in ("pillow/decompression_bomb.gif", "pillow/decompression_bomb.ico"):
        assert report["outcomes"][name][0].startswith("over_limit"), name


def test_corrupt_suite_is_refused(report):
    """PNGSuite's corrupt files are refused, its good ones decode."""
    for name, (outcome, _) in report["outcomes"].items():
        if name.startswith("pngsuite/") and name.endswith(".png"):
            assert isinstance(outcome, str) == name.startswith("pngsuite/x"), (name, outcome)
