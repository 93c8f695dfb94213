"""A process that reads one file after another from a pipe and says what became of each.

`python -m tests.codecs.fuzz_child REQUESTS ANSWERS` (file descriptors); `fuzzing` is the other end. A request is the
length of a file in four bytes, most significant first, and the file. An answer is a line of JSON. As in a worker,
the bound on memory is armed, and what native libraries print goes nowhere.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from nemo_curator.codecs.decode import read_picture
from nemo_curator.codecs.limits import check
from nemo_curator.codecs.memory import keep_freed_memory
from nemo_curator.codecs.memory_guard import arm
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import SampleError

_SEAT_BELT = 6 << 30  # bytes of address space: the machine's protection, no part of what is tested


def main(requests: int, answers: int) -> None:
    """Answer until the other end closes."""
    resource.setrlimit(resource.RLIMIT_AS, (_SEAT_BELT, _SEAT_BELT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    keep_freed_memory()
    arm()
    with os.fdopen(requests, "rb") as asked, os.fdopen(answers, "w", encoding="utf-8") as told:
        while len(head := asked.read(4)) == 4:
            data = asked.read(int.from_bytes(head, "big"))
            before = forget_peak()
            answer = what_becomes_of(data) | {"before": before, "peak": peak()}
            told.write(json.dumps(answer) + "\n")
            told.flush()


def what_becomes_of(data: bytes) -> dict[str, Any]:
    """Probe, check and decode one file, with the default limits; nothing is raised."""
    try:
        header = probe(data)
        check(header, len(data))
        picture = read_picture(data, header)
    except SampleError as error:
        return {"kind": "error", "code": error.code, "text": str(error)}
    except BaseException as error:  # noqa: BLE001 (that is what the parent wants to know)
        return {"kind": "other", "code": type(error).__name__, "text": traceback.format_exc()}
    pixels = picture.pixels
    words = [f"crc {zlib.crc32(pixels):08x}", *picture.warnings]
    return {"kind": "picture", "code": str(pixels.dtype), "shape": pixels.shape, "text": "; ".join(words)}


def forget_peak() -> int:
    """Let the peak begin at what is in use now, where the system allows it; returns that, in kilobytes."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> int:
    """Most memory in use since then, kilobytes. Not getrusage: its peak starts with that of the parent."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main(*(int(descriptor) for descriptor in sys.argv[1:3]))
