"""What do 10,000 new images cost against a run of a million, as a share of deciding the million?

Made runs with the real schema, hashes and embeddings (`support/made_run.py`); new images are like the earlier ones, and
a fiftieth of them is near one. Per kind of duplicate, and for all kinds together: *full*, the earlier run is decided
and whatever it needs is searched for; *new*, the new run is decided against it, with the index that the first left
there; *anew*, the same without that index. Each in a process of its own, timed from when everything is imported. The
decisions with and without the index must be the same, byte for byte.

Run: `python benchmarks/against_speed.py [--rows 1000000] [--new 10000] [--dimension 512] [--rounds 3] [--blended]`
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from support.machine import publish
from support.made_hashes import blended_hashes, photo_spectra, random_hashes
from support.made_run import Compared, make_run
from support.made_vectors import make_vectors

SCRIPT = Path(__file__).parent / "contenders" / "decide_against.py"
KINDS = ("bytes", "copies", "similar", "all")
SHARE = 50  # one of so many new images is near an earlier one


def made(folder: Path, old: int, new: int, dimension: int, *, blended: bool) -> tuple[Compared, Compared]:
    """Hashes and embeddings of an earlier run and of new images like them, some of which are near earlier ones."""
    path = folder / "rows.npy"
    make_vectors(path, old + new, dimension)
    spectra = photo_spectra() if blended else np.empty(0)
    hashes = blended_hashes(spectra, old + new) if blended else random_hashes(old + new)
    rows = np.load(path, mmap_mode="r")
    earlier, later, vectors = hashes[:old], np.array(hashes[old:]), np.array(rows[old:])
    taken = np.random.default_rng(5).choice(old, new // SHARE, replace=False)
    later[: len(taken)], vectors[: len(taken)] = earlier[taken], rows[taken]
    later[: len(taken), 3] ^= 1
    return Compared(earlier, rows[:old]), Compared(later, vectors)


def take(kind: str, *runs: Path) -> float:
    """Seconds of a decision, in a process of its own."""
    command = [sys.executable, str(SCRIPT), kind, *map(str, runs)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def forget(run: Path, *folders: str) -> None:
    """Remove what decisions left in a run."""
    for name in folders:
        shutil.rmtree(run / name, ignore_errors=True)


def figures(kind: str, old: Path, new: Path, rounds: int) -> dict[str, Any]:
    """Seconds of one kind, and the share."""
    forget(old, "pairs", "index")
    full = take(kind, old)
    size = sum(path.stat().st_size for path in (old / "index").rglob("*.npy"))
    seconds: dict[str, list[float]] = {"new": [], "anew": []}
    decisions = set()
    for at in range(rounds):
        for way in seconds if at == 0 or kind != "bytes" else ["new"]:
            if way == "anew":
                (old / "index").rename(old / "away") if (old / "index").is_dir() else None
            forget(new, "pairs")
            seconds[way].append(take(kind, new, old))
            decisions.add((new / "decisions.parquet").read_bytes())
            if (old / "away").is_dir():
                (old / "away").rename(old / "index")
    assert len(decisions) == 1, kind
    median = statistics.median(seconds["new"])
    return {
        "full": round(full, 2),
        **{way: round(statistics.median(taken), 2) for way, taken in seconds.items()},
        "share": round(median / full, 4),
        "index_mb": round(size / 1e6, 1),
    }


def main() -> None:
    """Make the runs, and decide them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--new", type=int, default=10_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--blended", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        earlier, fresh = made(folder, given.rows, given.new, given.dimension, blended=given.blended)
        places = {"old": (given.rows, 0, earlier), "new": (given.new, given.rows, fresh)}
        for name, (rows, first, compared) in places.items():
            _, ids = make_run(str(folder / name), rows, first=first, compared=compared)
            (folder / name / "ids.json").write_text(json.dumps(ids))
        found = {kind: figures(kind, folder / "old", folder / "new", given.rounds) for kind in given.kinds}
    data = f"{given.new:,} new rows against {given.rows:,}, {'blended' if given.blended else 'random'} hashes"
    publish("against_speed", {"data": f"{data}, embeddings of {given.dimension}", "seconds": found})


if __name__ == "__main__":
    main()
