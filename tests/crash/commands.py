"""Real commands that are killed: started in a session of their own, watched from outside, compared by their files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.cli.processes import command
from tests.crash.boundaries import started as started_at

from nemo_curator.storage import is_temporary

HOOK = Path(__file__).parent / "hook"
LONGEST = 120.0  # seconds that any command may take

# of a run: times and paths of the machine, which may differ between two runs of the same work
MAY_DIFFER = {"run.json", "report.html"}


@dataclass
class Watched:
    """A place in which commands are started that may be killed.

    Attributes:
        folder: A folder of its own.
        roots: What is watched.
        kills: Number of commands that were killed so far.
    """

    folder: Path
    roots: Sequence[Path]
    kills: int = 0
    _state: Path = field(init=False)

    def __post_init__(self) -> None:
        self._state = self.folder / "watched"

    def start(self, *arguments: str | Path, **plan: Any) -> subprocess.Popen[str]:
        """Start a command with a plan (see `hook/sitecustomize.py`), in a session of its own."""
        shutil.rmtree(self._state, ignore_errors=True)
        self._state.mkdir()
        facts = {"folder": str(self._state), "roots": [str(root) for root in self.roots], **plan}
        path = os.pathsep.join([str(HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
        return subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "CRASH_PLAN": json.dumps(facts)},
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, **plan: Any) -> subprocess.CompletedProcess[str]:
        """Run a command with a plan to its end, whatever that is."""
        started = self.start(*arguments, **plan)
        try:
            out, err = started.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            self.kill(started)
            raise
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)

    def finish(self, *arguments: str | Path, **plan: Any) -> list[str]:
        """Run a command to its good end; the events on the way, each as `kind path`."""
        done = self.run(*arguments, **plan)
        assert done.returncode == 0, done.stderr
        return self.events()

    def kill_at(self, event: int, *arguments: str | Path, **plan: Any) -> bool:
        """Kill a command with all its processes before its n-th event; False where it ended well before that."""
        done = self.run(*arguments, kill=event, **plan)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        killed = done.returncode != 0
        self.kills += killed
        self.bury()
        return killed

    def kill_after(self, seconds: float, *arguments: str | Path) -> bool:
        """Kill a command with all its processes some time after its first event; False where it ended before that."""
        started = self.start(*arguments)
        try:
            deadline = time.monotonic() + LONGEST
            while not self.events() and started.poll() is None and time.monotonic() < deadline:
                time.sleep(0.001)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(seconds)
            killed = started.poll() is None
            if killed:
                self.kill(started)
        finally:
            _, said = started.communicate(timeout=LONGEST)
        assert killed or started.returncode == 0, said
        self.kills += killed
        self.bury()
        return killed

    def kill(self, started: subprocess.Popen[str]) -> None:
        """The whole session, and the workers, which have sessions of their own, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        for pid in self._alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started.wait(LONGEST)

    def bury(self) -> None:
        """Wait until the last process of the command is gone."""
        deadline = time.monotonic() + LONGEST
        while self._alive():
            assert time.monotonic() < deadline, "a worker outlived its command"
            time.sleep(0.002)

    def events(self) -> list[str]:
        """The events of the last command, each as `kind path`."""
        try:
            return (self._state / "events").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _alive(self) -> list[int]:
        """Numbers of the processes of the last command that still run."""
        try:
            lines = [line.split() for line in (self._state / "processes").read_text().splitlines()]
        except FileNotFoundError:
            return []
        return [int(pid) for pid, started in lines if started_at(int(pid)) == started and _runs(int(pid))]


def _runs(pid: int) -> bool:
    """Whether a process is more than a number that waits to be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def dice(seed: int) -> random.Random:
    """Chance that can be had again."""
    return random.Random(seed)  # noqa: S311 (no secret hangs on it)


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Show a figure of a long test."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


def results(*folders: Path) -> dict[str, str]:
    """SHA-256 of every file that must be the same however often the work was killed; nothing half-written is there."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            assert not is_temporary(str(path)), path
            if path.name not in MAY_DIFFER:
                name = f"{folder.name}/{path.relative_to(folder)}"
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def restore(saved: Path, *folders: Path) -> None:
    """Put folders back as they were saved; those that were not there then go."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        if (saved / folder.name).is_dir():
            shutil.copytree(saved / folder.name, folder)


def save(saved: Path, *folders: Path) -> Path:
    """Copy folders aside, as far as they are there."""
    shutil.rmtree(saved, ignore_errors=True)
    saved.mkdir(parents=True)
    for folder in folders:
        if folder.is_dir():
            shutil.copytree(folder, saved / folder.name)
    return saved
