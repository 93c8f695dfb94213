"""How long does it take to find all pairs of hashes within 31 bits, and how does that grow?

*Full*: `kernels.hamming_self.self_pairs` over so many hashes, exact; beside it FAISS and USearch, where installed, bare
and with as many threads, in turn with ours. The libraries are timed on some of the hashes as queries against all and
counted for all (at the smaller sizes, all are asked). How many pairs the queries have must agree. *Growth*: the
exponent between two sizes, 1 where ten times the hashes take ten times as long. *Incremental*: 10,000 new hashes
against the stored ones, through an index in a file, opened included, as a share of the full search. *Memory*: of a
process that makes the hashes and finds all pairs.

Hashes are random, or those of blends of real photos, whose bits hang together; see `support/made_hashes.py`.

Run: `python benchmarks/copy_search.py [--sizes 10000,100000,1000000] [--rounds 3] [--threads 2]`
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.cores import usable_cores
from nemo_curator.kernels.hamming import HammingIndex
from nemo_curator.kernels.hamming_self import self_pairs
from nemo_curator.runs.array_folder import Shape, open_arrays, write_arrays
from support.hash_searchers import Timed, installed, searchers, timed
from support.machine import publish
from support.made_hashes import blended_hashes, photo_spectra, random_hashes
from support.memory import peak_memory

RADIUS = 31
NEW = 10_000
LARGE = 300_000  # hashes from which on one round is enough
PAIRS = {"USearch exact, nearest 10": 1e7}  # that a library is timed on
MOST_PAIRS = 4e9
Hashes = npt.NDArray[np.uint8]
Make = Callable[[int, int], Hashes]


def full(hashes: Hashes, threads: int) -> tuple[float, float, int]:
    """Seconds, processor seconds of all threads, and how many pairs there are."""
    start, worked = time.perf_counter(), time.process_time()
    found = sum(len(block.left) for block in self_pairs(hashes, RADIUS, threads))
    return time.perf_counter() - start, time.process_time() - worked, found


def incremental(hashes: Hashes, new: Hashes, threads: int, rounds: int) -> dict[str, Any]:
    """Seconds of the index, and of new hashes against it."""
    with tempfile.TemporaryDirectory() as folder:
        start, index = time.perf_counter(), HammingIndex(hashes)
        shapes = {name: Shape(*shape) for name, shape in index.shapes().items()}
        write_arrays(folder, "", shapes, index.stored())
        built, taken, found = time.perf_counter() - start, [], 0
        for _ in range(rounds):
            start = time.perf_counter()
            arrays = open_arrays(folder, "", unchecked=shapes)
            assert arrays is not None
            found = sum(len(block.left) for block in HammingIndex.from_arrays(arrays).pairs(new, RADIUS, threads))
            taken.append(time.perf_counter() - start)
    return {"index_once": round(built, 2), "new": round(statistics.median(taken), 3), "found": found}


def beside(hashes: Hashes, name: str, make: Any) -> Timed:
    """One library."""
    count = min(len(hashes), max(50, int(PAIRS.get(name, MOST_PAIRS) / len(hashes))))
    return timed(make, hashes, hashes[:count])


def agree(hashes: Hashes, name: str, one: Timed) -> None:
    """Stop where a library has found other pairs of its queries than ours."""
    count = min(len(hashes), int(PAIRS.get(name, MOST_PAIRS) / len(hashes)))
    if one.found >= 0:
        ours = sum(len(block.left) for block in HammingIndex(hashes).pairs(hashes[:count], RADIUS))
        assert ours == one.found, (name, ours, one.found)


def measured(make: Make, size: int, rounds: int, threads: int) -> dict[str, Any]:
    """One size."""
    hashes = make(size, 0)
    rounds = 1 if size >= LARGE else rounds
    ours: list[float] = []
    worked: list[float] = []
    theirs: dict[str, list[Timed]] = {}
    pairs = 0
    for _ in range(rounds):
        seconds, processor, pairs = full(hashes, threads)
        ours.append(seconds)
        worked.append(processor)
        for name, library in searchers(RADIUS, threads).items():
            theirs.setdefault(name, []).append(beside(hashes, name, library))
    for name, runs in theirs.items():
        agree(hashes, name, runs[0])
    seconds = statistics.median(ours)
    libraries = {name: statistics.median(one.all_pairs(size) for one in runs) for name, runs in theirs.items()}
    found = {
        "hashes": size,
        "pairs": pairs,
        "seconds": round(seconds, 2),
        "processor_seconds": round(statistics.median(worked), 2),
        "libraries": {name: round(one, 2) for name, one in libraries.items()},
        "ratio": round(seconds / min(libraries.values()), 3) if libraries else None,
    }
    if size > NEW:
        found["incremental"] = incremental(hashes, make(NEW, 1), threads, max(3, rounds))
        found["incremental_share"] = round(found["incremental"]["new"] / seconds, 4)
    return found


def memory(kind: str, size: int, threads: int) -> int:
    """Megabytes of a process that does nothing else."""
    command = [sys.executable, __file__, "--alone", kind, "--sizes", str(size), "--threads", str(threads)]
    code, taken = peak_memory(command)
    assert code == 0, command
    return round(sum(taken) / 1e6)


def main() -> None:
    """Every kind of hashes, every size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--alone", help="find all pairs of that kind of hashes and end")
    given = parser.parse_args()
    sizes = [int(float(one)) for one in given.sizes.split(",")]
    spectra = photo_spectra() if given.alone != "random" else np.empty((0, 256), np.float32)
    kinds: dict[str, Make] = {"random": random_hashes}
    if len(spectra):
        kinds["blended photos"] = lambda count, seed: blended_hashes(spectra, count, seed)
    if given.alone:
        full(kinds[given.alone](sizes[-1], 0), given.threads)
        return
    figures: dict[str, Any] = {}
    for kind, make in kinds.items():
        rows = [measured(make, size, given.rounds, given.threads) for size in sizes]
        growth = [
            round(math.log(after["seconds"] / before["seconds"], after["hashes"] / before["hashes"]), 2)
            for before, after in pairwise(rows)
        ]
        figures[kind] = {"sizes": rows, "growth": growth, "peak_mb": memory(kind, sizes[-1], given.threads)}
    publish("copy_search", {"threads": given.threads, "libraries": installed(), **figures})


if __name__ == "__main__":
    main()
