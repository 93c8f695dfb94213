"""A small input, whole runs over it, and what of them must be the same bytes wherever they lie."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cli.processes import process
from tests.crash.material import make_source

RECIPE = """\
scores: [header, sharpness, entropy]
rules:
  small: least(width, height) < 40
  plain: entropy < quantile(entropy, 0.2)
split: {train: 0.7, val: 0.3}
export: {shard_size: 4}
"""

_OWN = ("run.json", "partitions.parquet", "report.html")


def made(folder: Path) -> Path:
    """An input with tars, one of them compressed and one damaged, and loose files; and a recipe beside it."""
    make_source(folder / "in")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def same_everywhere(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of the files of a data set with its run directory, those that hold no time, place or path."""
    return {path: data for path, data in files.items() if path.rpartition("/")[2] not in _OWN}


def local_files(folder: Path) -> dict[str, bytes]:
    """Path to bytes of all files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command(*arguments: Any, environment: Mapping[str, str], **options: Any) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, which finds the store by its environment."""
    return process(*map(str, arguments), env={**os.environ, **environment}, **options)


def run_here(folder: Path, *more: Any) -> dict[str, bytes]:
    """The files of the same run on this machine."""
    done = command("run", folder / "in", folder / "out", "-r", folder / "recipe.yaml", "-w", "1", *more, environment={})
    assert done.returncode == 0, done.stderr
    return same_everywhere(local_files(folder / "out"))
