"""Damaged files among good ones, as a folder and a tar, and a watcher of what worker processes take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tests.codecs.mutations import mutant
from tests.codecs.seeds import made_seeds

from nemo_curator.testing import encoded, make_tar, photo

_EVERY = 0.02  # seconds
_WORKER = "nemo_curator.backends.local.worker"


def make_damaged(folder: Path, count: int, first: int = 0) -> tuple[list[str], list[str]]:
    """Half of the mutants in a folder, half in a tar, each with a good picture beside it.

    Returns:
        (ids of the damaged, ids of the good).
    """
    damaged, good, members = [], [], []
    loose = folder / "loose"
    loose.mkdir(parents=True)
    seeds = made_seeds()
    for at in range(count):
        broken, whole = mutant(seeds, first + at).data, encoded(photo(at, 48, 40))
        if at % 2:
            # an image by its name: a stray file would be none of a folder's samples
            for name, data in ((f"{at:04d}-bad.png", broken), (f"{at:04d}-good.jpg", whole)):
                (loose / name).write_bytes(data)
            damaged.append(f"loose/{at:04d}-bad.png")
            good.append(f"loose/{at:04d}-good.jpg")
        else:
            members += [(f"{at:04d}-bad.img", broken), (f"{at:04d}-good.jpg", whole)]
            damaged.append(f"shard/{at:04d}-bad")
            good.append(f"shard/{at:04d}-good")
    make_tar(folder / "shard.tar", members)
    return damaged, good


@dataclass
class Watched:
    """What was seen of the worker processes that this process started.

    Attributes:
        peaks: Process id to the most memory that it ever had resident, bytes.
    """

    peaks: dict[int, int] = field(default_factory=dict)


@contextmanager
def watching_workers() -> Iterator[Watched]:
    """Read the high-water mark of every worker, fifty times a second, while the block runs.

    The mark is kept by the system and never falls, so that sampling misses what a process takes in its last
    hundredths of a second alone.
    """
    seen, ended = Watched(), threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error, OSError, IndexError):  # it ended meanwhile
                    if process.pid in seen.peaks or _WORKER in process.cmdline():
                        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
                        seen.peaks[process.pid] = int(status.split("VmHWM:")[1].split()[0]) * 1024

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
