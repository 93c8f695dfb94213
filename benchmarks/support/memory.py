"""Memory of a process with all its children, sampled while it runs."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterable
from contextlib import suppress

import psutil

EVERY = 0.1


def peak_memory(command: list[str]) -> tuple[int, list[int]]:
    """Run a command to its end, sampling ten times a second.

    Returns:
        (exit code, bytes of each of its processes when they took most together). Proportional memory: a page that
        n processes share counts as 1/n in each, so that their sum is true.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    top: list[int] = []
    ended = threading.Event()

    def sample() -> None:
        nonlocal top
        while not ended.wait(EVERY):
            sizes = []
            with suppress(psutil.Error):
                parent = psutil.Process(process.pid)
                sizes = [_proportional(one) for one in [parent, *parent.children(recursive=True)]]
            top = max(top, sizes, key=sum)

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        code = process.wait()
    finally:
        ended.set()
        watcher.join()
    return code, top


def proportional(roots: Iterable[int]) -> int:
    """Bytes of some processes, by number, with all that descend from them: proportional memory, now."""
    found = 0
    for root in roots:
        with suppress(psutil.Error):
            parent = psutil.Process(root)
            found += sum(map(_proportional, [parent, *parent.children(recursive=True)]))
    return found


def _proportional(process: psutil.Process) -> int:
    with suppress(psutil.Error, OSError):  # it ended meanwhile
        return int(process.memory_full_info().pss)
    return 0
