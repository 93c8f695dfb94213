"""Every boundary at which a process may die while it writes, without a hook in the package.

The calls that writing is made of (making a file or folder, the raw write, fsync, rename, unlink) are wrapped from
outside. Each of them under one of the watched roots is an event, told before it happens: a process that is killed there
leaves what one leaves that is killed between this call and the one before it. Standard library only: it is loaded by
`hook/sitecustomize.py`, before anything else, and by tests that run the package in their own process.
"""

from __future__ import annotations

import importlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Tear = Callable[[], Any]
Reach = Callable[[str, str, Tear], None]
"""(kind, path, what does the first half of it) of an event; kinds are `create`, `mkdir`, `write`, `fsync`, `rename`,
`unlink`. What it raises is raised in place of the call."""


def nothing() -> None:
    """Half of a call that is done as a whole or not at all."""


def started(pid: int) -> str:
    """When a process was started, which tells it from another one of the same number; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


class Boundaries:
    """The wrapped calls.

    Args:
        roots: Folders; what happens elsewhere is no event.
        reach: Told of each event.
    """

    def __init__(self, roots: Sequence[str], reach: Reach) -> None:
        """Keep the real calls."""
        self._roots = tuple(os.path.realpath(root) for root in roots)
        self._reach = reach
        self._real = {name: getattr(os, name) for name in ("open", "mkdir", "fsync", "replace", "unlink")}

    def write(self, real: Callable[[Any, Any], int]) -> Callable[[Any, Any], int]:
        """A raw file's `write`, wrapped."""

        def write(file: Any, data: Any, /) -> int:
            half = memoryview(data).cast("B")[: len(memoryview(data).cast("B")) // 2]
            self._told("write", _place(file.fileno()), lambda: real(file, half))
            return real(file, data)

        return write

    @contextmanager
    def wrapped(self) -> Iterator[None]:
        """The calls of `os` are wrapped inside the block, and so are the package's raw files."""
        sink = importlib.import_module("nemo_curator.storage.refusal")._Sink
        before = sink.write
        sink.write = self.write(before)
        self.install()
        try:
            yield
        finally:
            sink.write = before
            for name, real in self._real.items():
                setattr(os, name, real)

    def install(self) -> None:
        """Wrap the calls of `os` for as long as the process lives."""
        real = self._real

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            if flags & os.O_CREAT:
                self._told("create", path)
            return int(real["open"](path, flags, mode, dir_fd=dir_fd))

        def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
            if not os.path.isdir(path):  # noqa: PTH112 (what the caller passes)
                self._told("mkdir", path)
            real["mkdir"](path, mode, dir_fd=dir_fd)

        def fsync(descriptor: int) -> None:
            self._told("fsync", _place(descriptor))
            real["fsync"](descriptor)

        def replace(source: Any, target: Any, **settings: Any) -> None:
            self._told("rename", target)
            real["replace"](source, target, **settings)

        def unlink(path: Any, *, dir_fd: int | None = None) -> None:
            if os.path.lexists(path):
                self._told("unlink", path)
            real["unlink"](path, dir_fd=dir_fd)

        for name, call in zip(real, (opened, mkdir, fsync, replace, unlink), strict=True):
            setattr(os, name, call)

    def install_raw(self) -> None:
        """Wrap the raw files of modules that are imported from now on."""
        io.FileIO = type("FileIO", (io.FileIO,), {"write": self.write(io.FileIO.write)})  # type: ignore[misc]

    def _told(self, kind: str, path: Any, tear: Tear = nothing) -> None:
        """Tell of an event, if it is one."""
        place = os.path.realpath(os.fsdecode(path))
        if any(place == root or place.startswith(root + os.sep) for root in self._roots):
            self._reach(kind, place, tear)


def _place(descriptor: int) -> str:
    """The path that a descriptor was opened by."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 (no Path before the package)
    except OSError:
        return ""
