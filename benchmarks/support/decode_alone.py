"""Decodes one file as a worker does, and says what it took: `python decode_alone.py SMALL LARGE`, JSON to the screen.

The small file is of the same kind and is decoded first, so that what its libraries take is not counted.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.memory import keep_freed_memory
from nemo_curator.codecs.memory_need import decoding_bytes
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import SampleError

_BOUNDLESS = Limits(2**62, 2**62, 2**62, 10_000, 2**62)


def main(small: str, large: str) -> None:
    """Decode both, and tell of the second."""
    keep_freed_memory()
    with suppress(SampleError):
        _decoded(Path(small).read_bytes())
    data = Path(large).read_bytes()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    header = probe(data, _BOUNDLESS)
    before = _memory()
    error = ""
    try:
        read_picture(data, header, _BOUNDLESS)
    except SampleError as problem:
        error = str(problem)
    after = _memory()
    facts = {
        "header": asdict(header),
        "encoded": len(data),
        "resident": after["VmHWM"] - before["VmRSS"],
        "reserved": after["VmPeak"] - before["VmSize"],
        "estimate": decoding_bytes(header),
        "error": error,
    }
    sys.stdout.write(json.dumps(facts) + "\n")


def _decoded(data: bytes) -> None:
    read_picture(data, probe(data))


def _memory() -> dict[str, int]:
    """Bytes in use and reserved, now and at most. Source: proc_pid_status(5)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    pairs = (line.split() for line in lines if line.startswith("Vm"))
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in pairs}


if __name__ == "__main__":
    main(*sys.argv[1:3])
