"""How long does finding all pairs of similar rows take, and how many are found, against FAISS and USearch?

Made unit rows of 16-bit floats in clusters, a fifth of them near copies of others (`support/made_vectors.py`); wanted
are all pairs with a cosine of 0.95. Each way runs in a process of its own, in turns: *ours* as a run searches,
*ours_exact* where every row is compared, *faiss_flat* and *faiss_ivf* (range search), *usearch* (ten nearest). Recall
is the share of the true pairs of 1,000 sampled rows. FAISS's inverted lists get the smallest number of probes that
finds 0.99 of that very sample, and above 100,000 rows looks up 20,000 of them, counted for all. *further*: the last
10,000 rows against the stored cells of all others, as a share of the whole search.

Run: `python benchmarks/similar_search.py [--sizes 10000 100000 1000000] [--rounds 3] [--ways ours faiss_ivf …]`
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from nemo_curator.kernels.rows import ArrayRows, PickedRows
from nemo_curator.kernels.similar import joined, pairs_between
from support.machine import publish
from support.made_vectors import make_vectors

SCRIPT = Path(__file__).parent / "contenders" / "similar_rows.py"
WAYS = ("ours", "ours_exact", "faiss_flat", "faiss_ivf", "usearch")
EXACT_UP_TO = 100_000  # rows for which looking at every pair is waited for
ASKED = 20_000  # rows that FAISS looks up where there are more than that; counted for all
FURTHER = 10_000
LEAST = 0.95
ENOUGH = 0.99  # recall; a way that finds less does not count


def true_pairs(path: Path) -> np.ndarray:
    """Codes `smaller * N + larger` of the pairs of 1,000 sampled rows."""
    rows = ArrayRows([np.load(path, mmap_mode="r")])
    picked = np.sort(np.random.default_rng(99).choice(len(rows), 1000, replace=False))
    found = joined(list(pairs_between(PickedRows(rows, picked), rows, LEAST)))
    left, right = picked[found.left], found.right
    codes = np.minimum(left, right) * len(rows) + np.maximum(left, right)
    return np.unique(codes[left != right])


def ask(way: str, path: Path, truth: np.ndarray, **given: Any) -> dict[str, Any]:
    """Run one way; its figures, with the recall."""
    output = path.with_name("found.npy")
    command = [sys.executable, str(SCRIPT), way, str(path), str(LEAST), str(output), json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"ended with {done.returncode}"
        return {"failed": reason}
    figures: dict[str, Any] = json.loads(done.stdout)
    if len(truth) and "recall" not in figures:
        figures["recall"] = round(float(np.isin(truth, np.load(output)).mean()), 4)
    return figures


def in_turns(path: Path, rows: int, ways: list[str], rounds: int) -> dict[str, Any]:
    """All ways on one file: the figures of the last round, with the median of the seconds."""
    truth = true_pairs(path)
    kept = path.with_name("truth.npy")
    np.save(kept, truth)
    exact = [way for way in ways if way in {"ours_exact", "faiss_flat"} and rows > EXACT_UP_TO]
    figures: dict[str, Any] = {"true_pairs": len(truth)}
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        for way in [one for one in ways if one not in exact]:
            given: dict[str, Any] = {"known": str(kept), "recall": ENOUGH} if way == "faiss_ivf" else {}
            if way == "faiss_ivf" and rows > EXACT_UP_TO:
                given["asked"] = ASKED
            figures[way] = ask(way, path, truth, **given)
            if "seconds" in figures[way]:
                taken.setdefault(way, []).append(figures[way]["seconds"])
    for way, seconds in taken.items():
        figures[way]["seconds"] = statistics.median(seconds)
    enough = {way: one for way, one in taken.items() if figures[way]["recall"] >= ENOUGH}
    others = [statistics.median(one) for way, one in enough.items() if not way.startswith("ours")]
    if "ours" in taken and others:
        figures["ratio"] = round(figures["ours"]["seconds"] / min(others), 2)
    return figures


def main() -> None:
    """Every size in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    for rows in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.npy")
            make_vectors(path, rows, given.dimension)
            figures[str(rows)] = found = in_turns(path, rows, given.ways, given.rounds)
            if rows > 2 * FURTHER and "ours" in given.ways:
                # cells are made and stored by the first call; the second finds them there
                further = [ask("ours_further", path, np.empty(0), further=FURTHER) for _ in range(2)][1]
                further["share"] = round(further["seconds"] / found["ours"]["seconds"], 3)
                found["further"] = further
    sizes = sorted(given.sizes)
    if len(sizes) > 1 and "ours" in given.ways:
        first, last = (figures[str(size)]["ours"]["seconds"] for size in (sizes[0], sizes[-1]))
        figures["exponent"] = round(math.log(last / first) / math.log(sizes[-1] / sizes[0]), 2)
    data = f"made rows of {given.dimension:,} 16-bit floats, pairs with a cosine of {LEAST} and more"
    publish("similar_search", {"data": data, "rounds": given.rounds, "sizes": figures})


if __name__ == "__main__":
    main()
