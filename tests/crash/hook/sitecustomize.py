"""What a command under test meets: in its own process and in every worker, which inherit PYTHONPATH and environment.

The plan stands in the environment variable `CRASH_PLAN`, as JSON:

- `folder`: where the processes put down their numbers (`processes`) and count events together (`events`, a line each);
- `roots`: what is watched (see `boundaries`);
- `kill`: at this event every process of the command is killed; `torn` does half of a write first; `alone` kills only
  the process that reached it;
- `refuse`: from the `at`-th event of a `kind` on, whose path has `path` in it, the call fails with `errno`;
- `clock`: seconds by which the clock is wrong;
- `versions`: distribution to the version that it claims.

Without the variable nothing happens. A machine's own `sitecustomize` is run first.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve().parent


class Plan:
    """Counts events over all processes of a command, and does what the plan says.

    The lock file's lock is held from the count until the event was answered, so that nobody passes a fatal one.
    """

    def __init__(self, plan: dict[str, Any], started: Callable[[int], str]) -> None:
        """Sign up as a process of this command."""
        self._plan = plan
        self._started = started
        self._thread = threading.Lock()
        folder = Path(plan["folder"])
        self._processes = folder / "processes"
        self._events = os.open(folder / "events", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        with self._processes.open("a") as file:
            file.write(f"{os.getpid()} {started(os.getpid())}\n")

    def reach(self, kind: str, path: str, tear: Any) -> None:
        """An event of this process."""
        with self._thread:
            fcntl.flock(self._events, fcntl.LOCK_EX)
            try:
                os.write(self._events, f"{kind} {path!r}\n".encode())
                told = os.pread(self._events, 1 << 26, 0).decode().splitlines()
                if len(told) == self._plan.get("kill"):
                    if self._plan.get("torn"):
                        tear()
                    self._kill()
                self._refuse(kind, path, told)
            finally:
                fcntl.flock(self._events, fcntl.LOCK_UN)

    def _refuse(self, kind: str, path: str, told: list[str]) -> None:
        """Raise what the plan says of this event."""
        refuse = self._plan.get("refuse")
        if not refuse or kind != refuse["kind"] or refuse.get("path", "") not in path:
            return
        same = [line for line in told if line.startswith(f"{kind} ") and refuse.get("path", "") in line]
        if len(same) >= refuse.get("at", 1):
            raise OSError(refuse["errno"], os.strerror(refuse["errno"]), path)

    def _kill(self) -> None:
        """End every process of the command, this one last."""
        if not self._plan.get("alone"):
            for line in self._processes.read_text().splitlines():
                pid, started = line.split()
                if int(pid) != os.getpid() and self._started(int(pid)) == started:
                    os.kill(int(pid), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


class _WrongClock(MetaPathFinder):
    """Modules of the package that ask for the time of day get a clock that is wrong.

    `datetime.datetime` itself cannot be replaced: C libraries look into it.
    """

    def __init__(self, offset: float) -> None:
        """Make the wrong clock."""
        real = dt.datetime

        class Wrong(real):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
                return real.now(tz) + dt.timedelta(seconds=offset)

        self._clock = SimpleNamespace(**{**vars(dt), "datetime": Wrong})
        real_time, real_ns = time.time, time.time_ns
        time.time = lambda: real_time() + offset
        time.time_ns = lambda: real_ns() + int(offset * 1e9)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """The module as it is, and behind its last line the other clock."""
        if not fullname.startswith("nemo_curator."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                for name, value in list(vars(module).items()):
                    if value is dt:
                        setattr(module, name, self._clock)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _set_versions(claimed: dict[str, str]) -> None:
    """Let distributions claim other versions."""
    real = importlib.metadata.version
    importlib.metadata.version = lambda name: claimed.get(name) or real(name)


def _run_the_machines_own() -> None:
    """Run the `sitecustomize` that this one stands in front of."""
    elsewhere = [path for path in sys.path if Path(path or ".").resolve() != HERE]
    found = PathFinder.find_spec("sitecustomize", elsewhere)
    if found is not None and found.loader is not None:
        found.loader.exec_module(importlib.util.module_from_spec(found))


def _follow(plan: dict[str, Any]) -> None:
    """Do what a plan says."""
    spec = importlib.util.spec_from_file_location("crash_boundaries", HERE.parent / "boundaries.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    boundaries = module.Boundaries(plan["roots"], Plan(plan, module.started).reach)
    boundaries.install()
    boundaries.install_raw()
    if plan.get("clock"):
        sys.meta_path.insert(0, _WrongClock(plan["clock"]))
    if plan.get("versions"):
        _set_versions(plan["versions"])


_run_the_machines_own()
if "CRASH_PLAN" in os.environ:
    _follow(json.loads(os.environ["CRASH_PLAN"]))
