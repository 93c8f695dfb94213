"""The command as a user runs it: a real process."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from nemo_curator.cli.app import app
from nemo_curator.testing import encoded, photo

CHEAP = "scores: [header]\nrules: {small: 'least(width, height) < 64'}\n"


def command(*arguments: str | Path) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "nemo_curator.cli", *map(str, arguments)]


def process(*arguments: str | Path, first: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command as a real process to its end, as a machine would: no terminal. See `after` for `first`."""
    settings = {"capture_output": True, "text": True, "timeout": 300, "check": False} | options
    return subprocess.run(after(first, command(*arguments)), **settings)  # noqa: PLW1510  (check is among the settings)


def after(first: str, line: list[str]) -> list[str]:
    """The command line of a process that runs some Python and then becomes another one.

    A `preexec_fn` would fork this process, and packages that other tests import here warn of that (pylance does).
    """
    if not first:
        return line
    return [sys.executable, "-c", f"{first}\nimport os, sys\nos.execv(sys.argv[1], sys.argv[1:])", *line]


def file_limit(size: int) -> str:
    """Python `after` which no file grows beyond a size."""
    return f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"


def imagecurator(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The same inside this process, which is faster; whatever it raises is a traceback on its stderr, as there."""
    scores = arguments[:1] in {("run",), ("score",), ("embed",), ("decontaminate",)} and not {
        "--help",
        "--workers",
    } & set(arguments)
    inside = ["--workers", "0"] if scores else []
    result = CliRunner().invoke(app, [*map(str, arguments), *inside])
    stderr = result.stderr
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        stderr += "".join(traceback.format_exception(result.exception))
    return subprocess.CompletedProcess([], result.exit_code, result.stdout, stderr)


def sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one sentence of a failure with that exit code: the last line of stderr, one line from us, no traceback."""
    assert "Traceback" not in done.stderr, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("imagecurator:")]
    assert done.returncode == code, done.stderr
    assert len(said) == 1, done.stderr
    assert done.stderr.rstrip().endswith(said[0])
    return said[0]


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything under a folder with its bytes, links and special files as None."""
    found: dict[str, bytes | None] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found[path.relative_to(folder).as_posix()] = None
        elif path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found


def pictures(folder: Path, count: int = 3) -> Path:
    """A folder of pictures; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number:03d}.jpg").write_bytes(encoded(photo(number), quality=80))
    return folder


def live_children(pid: int) -> list[int]:
    """Processes of that parent that still run."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208  (a list of names is what is wanted)
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return found
