"""Bare library calls that find all pairs of hashes within a radius, where the libraries are installed.

Each has a part that is done once (the index) and a part a query. The second is timed on some queries, and counted for
all: of these indexes no query is cheaper or dearer than another because others are asked beside it.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint8]
Search = Callable[[Hashes], int]
NAMES = ("faiss-cpu", "usearch")


@dataclass(frozen=True, slots=True)
class Timed:
    """What a library took.

    Attributes:
        once: Seconds of the index.
        each: Seconds a query.
        found: Pairs of some queries and all hashes, each with itself included; -1 where it finds something else.
    """

    once: float
    each: float
    found: int

    def all_pairs(self, count: int) -> float:
        """Seconds for so many queries."""
        return self.once + self.each * count


def installed() -> dict[str, str]:
    """The versions."""
    found = {}
    for name in NAMES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def searchers(radius: int, threads: int) -> dict[str, Callable[[Hashes], Search]]:
    """Name to what makes an index, which is asked with some hashes and says how many pairs it has found."""
    found: dict[str, Callable[[Hashes], Search]] = {}
    if importlib.util.find_spec("faiss"):
        import faiss

        faiss.omp_set_num_threads(threads)

        def flat(hashes: Hashes) -> Search:
            index = faiss.IndexBinaryFlat(256)
            index.add(hashes)
            return lambda asked: int(index.range_search(asked, radius + 1)[0][-1])

        def multi(hashes: Hashes) -> Search:
            index = faiss.IndexBinaryMultiHash(256, 16, 16)
            index.nflip = radius // 16
            index.add(hashes)
            return lambda asked: int(index.range_search(asked, radius + 1)[0][-1])

        found |= {"FAISS IndexBinaryFlat": flat, "FAISS IndexBinaryMultiHash": multi}
    if importlib.util.find_spec("usearch"):
        from usearch.index import MetricKind, search

        def exact(hashes: Hashes) -> Search:
            def ask(asked: Hashes) -> int:
                search(hashes, asked, 10, MetricKind.Hamming, exact=True, threads=threads)
                return -1  # it gives the nearest ten, not all within a radius

            return ask

        found["USearch exact, nearest 10"] = exact
    return found


def timed(make: Callable[[Hashes], Search], hashes: Hashes, asked: Hashes) -> Timed:
    """Build and ask once."""
    start = time.perf_counter()
    search = make(hashes)
    built = time.perf_counter()
    found = search(asked)
    return Timed(built - start, (time.perf_counter() - built) / len(asked), found)
