"""CPU cores that this process may use: what it may run on, and what time a container gives it there."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

_V1_MOUNTS = ("cpu,cpuacct", "cpuacct,cpu", "cpu")  # where the controller of version 1 is mounted, by distribution


def usable_cores(root: Path = Path("/")) -> int:
    """CPU cores that this process may use: those that it may run on, or fewer by its container's quota of time.

    Args:
        root: Where `proc` and `sys` are mounted.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return least_cores(there, _quotas(root))


def least_cores(there: int, quotas: Iterable[tuple[str, str]]) -> int:
    """Cores under the tightest quota: rounded up, because a part of a core is worth a thread, and at least 1.

    Args:
        there: Cores without any.
        quotas: (Microseconds of CPU time, in a period of so many microseconds) of each control group around a process,
            as the system writes them: `max` or a negative number means no limit. Anything else is no limit either.
    """
    least = float(there)
    for quota, period in quotas:
        with suppress(ValueError):
            if int(quota) > 0 and int(period) > 0:
                least = min(least, int(quota) / int(period))
    return max(1, math.ceil(least))


def control_groups(root: Path, controller: str, mounts: Iterable[str]) -> Iterator[tuple[int, Path]]:
    """(Version, folder) of this process's control groups and of those around them.

    Args:
        root: Where `proc` and `sys` are mounted.
        controller: What is controlled, in the words of version 1.
        mounts: Names under which version 1 of it may be mounted.
    """
    mount = root / "sys/fs/cgroup"
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            yield from ((2, folder) for folder in _around(mount, path))
        elif controller in controllers.split(","):
            yield from ((1, folder) for name in mounts for folder in _around(mount / name, path))


def _quotas(root: Path) -> Iterator[tuple[str, str]]:
    """Quotas of this process's control groups and of those around them, of both versions."""
    for number, folder in control_groups(root, "cpu", _V1_MOUNTS):
        if number == 1:
            yield text_of(folder / "cpu.cfs_quota_us"), text_of(folder / "cpu.cfs_period_us")
        else:
            quota, period = [*text_of(folder / "cpu.max").split(), "", ""][:2]
            yield quota, period


def _around(mount: Path, path: str) -> Iterator[Path]:
    """A control group's folder and those that it is in; in a container only the mount itself may be there."""
    inner = PurePosixPath(path.lstrip("/"))
    yield from (mount / one for one in (inner, *inner.parents) if ".." not in one.parts)


def text_of(path: Path) -> str:
    """What the system says in a small file, or "" where it says nothing that can be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
