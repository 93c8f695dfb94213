"""Benchmarks one after the other: which ran, which could not run here, which failed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SKIPPED = 3
"""Exit code by which a benchmark says that it needs what is not here; its sentence is on the screen."""


@dataclass
class Outcome:
    """What became of some benchmarks.

    Attributes:
        ran: Those that ended well.
        skipped: Those that need what is not here.
        failed: The others.
    """

    ran: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def scripts(folder: Path, names: Sequence[str]) -> list[Path]:
    """The scripts of some benchmarks, or of all.

    Raises:
        ValueError: There is no such benchmark.
    """
    known = {path.stem: path for path in sorted(folder.glob("[!_]*.py"))}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no such benchmark: {', '.join(unknown)}; known: {', '.join(known)}")
    return [known[name] for name in names or known]


def run(chosen: Sequence[Path]) -> Outcome:
    """Run each with its defaults; none stops the others."""
    outcome = Outcome()
    for script in chosen:
        sys.stdout.write(f"== {script.name}\n")
        sys.stdout.flush()
        code = subprocess.run([sys.executable, str(script)], check=False).returncode  # noqa: S603 (our own scripts)
        where = {0: outcome.ran, SKIPPED: outcome.skipped}.get(code, outcome.failed)
        where.append(script.stem)
    return outcome
