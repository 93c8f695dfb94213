"""One verdict on one file in a process of its own: `python open_alone.py READER FILE ROUNDS`, JSON to the screen.

Readers: `ours` probes, checks and decodes as a worker does; `pillow` is `PIL.Image.open(...).load()` with its default
settings, and `unbounded` the same with `MAX_IMAGE_PIXELS = None`, as scripts that meet large pictures set it; `tar` is
our reader of shards, and `tarfile` reads every member with the standard library. The file of a picture is in memory
before the clock starts.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

_MOST = 8 << 30  # bytes of address space
_MOST_SECONDS = 20  # of processor time; the system ends the process then


def main(reader: str, path: str, rounds: int) -> None:
    """Read once or several times, and tell what came of it, how long it took and what it took."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST, _MOST))
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST_SECONDS, _MOST_SECONDS))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    warnings.simplefilter("ignore")
    read, warm = _READERS[reader](path)
    for _ in range(warm):
        read()
    before = _reset_peak()
    seconds, said = [], ""
    for _ in range(rounds):
        start = time.perf_counter()
        said = read()
        seconds.append(time.perf_counter() - start)
    facts = {"verdict": said, "seconds": sorted(seconds)[len(seconds) // 2], "growth": _peak() - before}
    sys.stdout.write(json.dumps(facts) + "\n")


def _ours(path: str) -> tuple[Callable[[], str], int]:
    from nemo_curator.codecs.decode import read_picture
    from nemo_curator.codecs.limits import check
    from nemo_curator.codecs.memory_guard import arm
    from nemo_curator.codecs.probe import probe
    from nemo_curator.errors import SampleError

    data = Path(path).read_bytes()
    arm()

    def read() -> str:
        try:
            header = probe(data)
            check(header, len(data))
            picture = read_picture(data, header)
        except SampleError as error:
            return f"{error.code}: {error}"
        height, width, _ = picture.pixels.shape
        return f"picture of {width} x {height}"

    return read, 1  # once before, so that no import is timed


def _pillow(path: str) -> tuple[Callable[[], str], int]:
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    Image.init()
    data = Path(path).read_bytes()

    def read() -> str:
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                return f"picture of {image.size[0]} x {image.size[1]}"
        except Exception as error:  # noqa: BLE001 (that is what is asked)
            return f"{type(error).__name__}: {error}"

    return read, 0  # what one careless call costs


def _unbounded(path: str) -> tuple[Callable[[], str], int]:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    return _pillow(path)


def _tar(path: str) -> tuple[Callable[[], str], int]:
    from nemo_curator.shards.tar_reader import read_tar

    def read() -> str:
        return "; ".join(f"{one.error}: {one.detail}" if one.error else "a sample" for one in read_tar(path))

    return read, 1


def _tarfile(path: str) -> tuple[Callable[[], str], int]:
    import tarfile

    def read() -> str:
        with tarfile.open(path) as tar:
            lengths = [len(file.read()) for member in tar if (file := tar.extractfile(member))]
        return f"bytes: {lengths}"

    return read, 0


_READERS = {"ours": _ours, "pillow": _pillow, "unbounded": _unbounded, "tar": _tar, "tarfile": _tarfile}


def _reset_peak() -> int:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
