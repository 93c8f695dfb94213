"""How long does the verdict on a bomb take, and how much memory, against a bare `PIL.Image.open(...).load()`?

Every file is read in a process of its own: ours several times, with the median; the peer once with its default
settings and once with its own limit switched off, with 8 GB of address space and 20 seconds of processor time. A tar
is read by `tarfile` on that side.

Run: `python benchmarks/bombs.py [--rounds 9] [--only png]`
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from support.machine import publish

ROOT = Path(__file__).parents[1]
_PROCESS = Path(__file__).parent / "support" / "open_alone.py"
_LONGEST = 60  # characters of a verdict in the table


def verdict(reader: str, path: Path, rounds: int) -> dict[str, Any]:
    """What one reader made of a file: verdict, seconds, growth of the peak in bytes."""
    command = [sys.executable, str(_PROCESS), reader, str(path), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        ended = "killed after 20 s of processor time" if done.returncode in {-9, -24} else f"died: {done.returncode}"
        return {"verdict": ended, "seconds": None, "growth": None}
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main() -> None:
    """Make every bomb, read it twice, print a table."""
    sys.path.insert(0, str(ROOT))  # the bombs are those of the tests
    from tests.codecs.bombs import BOMBS, tar_with_a_gigabyte

    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    found: dict[str, dict[str, Any]] = {}
    print("| bomb | kB | ours | ms | MB | Pillow | ms | MB | its limit off | ms | MB |")
    print("|---|---:|---|---:|---:|---|---:|---:|---|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, _, _) in BOMBS.items():
            if chosen.only in name:
                path = Path(folder) / "bomb"
                path.write_bytes(make())
                found[name] = _all(("ours", "pillow", "unbounded"), path, chosen.rounds)
                _tell(name, found[name])
        if chosen.only in "tar member of 1 GB":
            path = tar_with_a_gigabyte(Path(folder))
            found["tar member of 1 GB"] = _all(("tar", "tarfile"), path, chosen.rounds)
            _tell("tar member of 1 GB", found["tar member of 1 GB"])
    publish("bombs", {"bombs": found, "rounds": chosen.rounds})


def _all(readers: tuple[str, ...], path: Path, rounds: int) -> dict[str, Any]:
    """What each reader made of it, and how many times longer the last one took than ours, which is the first."""
    told = {reader: verdict(reader, path, 1 if at else rounds) for at, reader in enumerate(readers)}
    mine, theirs = told[readers[0]]["seconds"], told[readers[-1]]["seconds"]
    ratio = round(theirs / mine, 1) if theirs and mine else None
    return {"bytes": path.stat().st_size, "readers": told, "times_faster": ratio}


def _tell(name: str, facts: dict[str, Any]) -> None:
    cells = [name, f"{facts['bytes'] / 1e3:,.1f}"]
    for one in facts["readers"].values():
        milliseconds = "" if one["seconds"] is None else f"{one['seconds'] * 1e3:,.2f}"
        growth = "" if one["growth"] is None else f"{one['growth'] / 1e6:,.1f}"
        cells += [_short(one["verdict"]), milliseconds, growth]
    print(f"| {' | '.join(cells)} |", flush=True)


def _short(words: str) -> str:
    """A verdict as a table has it."""
    words = words.replace("|", "/").partition("; raise limits")[0].partition(", over the limit")[0]
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"


if __name__ == "__main__":
    main()
