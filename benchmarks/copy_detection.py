"""Which copies are found, kind by kind, when one pair of 100,000 may be wrong?

*Copies*: of each photo, eleven edits are looked up among all photos; found is an edit that is as near to its original
as the threshold allows. *Distractors*: crops of all photos, of 40 to 90 % of the area. A pair of an edit of one photo
and a crop of another one is a false pair where it is as near as that. Crops of the same photo are left out, because
they are copies: so there are other photos without there being more photos. *Threshold*: one for each kind, whatever
the edit; the largest with which at most one false pair of 100,000 is taken. Kinds that are used together share that
budget, half of it for the copies and half for the look-alikes, so that the union has no more false pairs than each
kind has alone. Codes of whole bits have coarse thresholds; each kind is given what it is worth.

Others, where installed: ImageHash, imagededup (its CNN wants weights from the network, and is left out), pdqhash, also
with its own turned hashes. They get the full pixels, ours the views that a run cuts.

Run: `python benchmarks/copy_detection.py [--photos 1000] [--crops 10]`, with the photos beside the checkout; about
six minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from support.clean_pictures import SHARED, photo_files
from support.copy_edits import EDITS, distractors
from support.copy_kinds import Kind, describers, distances, installed, kinds
from support.machine import publish, skip

RATE = 1e-5
DEFAULTS = {"copies": 31.0, "copies, turned": 31.0, "similar, efficientnet-lite0": 0.05}  # what a recipe has
UNION = ("copies, turned", "similar, efficientnet-lite0")
PIXELS = "pixels"  # equal or not: no threshold
Codes = npt.NDArray[Any]
Told = dict[str, tuple[Codes, Codes, Codes]]  # source to the original, its edits, its crops

_describe: dict[str, Any] = {}  # in a worker: what it computes codes with


def _start() -> None:
    _describe.update(describers())


def told(task: tuple[int, bytes, int]) -> Told:
    """Codes of one photo: all of the original, the upright ones of its edits, all of its crops."""
    number, data, crops = task
    pixels = decode(data, probe(data))
    edited = [edit(pixels, number) for edit in EDITS.values()]
    parts = distractors(pixels, crops, number)
    return {
        source: (
            describe(pixels),
            np.stack([describe(one)[0] for one in edited]),
            np.stack([describe(one) for one in parts]),
        )
        for source, describe in _describe.items()
    }


class Measured:
    """Distances of one kind.

    Attributes:
        copies: `(photos, edits)` from each edit to its original.
        nearest: The nearest false pairs, ascending; enough of them for any budget.
        pairs: How many pairs there are that would be false.
    """

    def __init__(self, kind: Kind, originals: Codes, edited: Codes, crops: Codes) -> None:
        photos, each = crops.shape[:2]
        stored, mine = crops.reshape(-1, *crops.shape[2:])[:, : kind.turns], np.arange(photos).repeat(each)
        self.copies = np.stack(
            [distances(edited[at], originals[at : at + 1, : kind.turns])[:, 0] for at in range(photos)]
        )
        self.pairs = photos * (photos - 1) * each * len(EDITS)
        kept = int(self.pairs * RATE * 2) + 2
        self.nearest = np.empty(0, np.float32)
        self.within = 0
        for start in range(0, photos, 50):
            block = edited[start : start + 50]
            away = distances(block.reshape(-1, block.shape[-1]), stored)
            owner = np.arange(start, start + len(block)).repeat(len(EDITS))
            away[owner[:, None] == mine] = np.inf
            found = np.concatenate([self.nearest, np.partition(away.ravel(), min(kept, away.size - 1))[:kept]])
            self.nearest = np.sort(found)[:kept]

    def threshold(self, rate: float) -> float:
        """The largest distance that takes no more false pairs than that; below 0 where none does."""
        allowed = int(self.pairs * rate)
        good = self.nearest[:allowed]
        good = good[good < self.nearest[allowed]]
        return float(good[-1]) if len(good) else float(np.nextafter(self.nearest[allowed], -np.inf))

    def rate(self, threshold: float) -> float | str:
        """Share of false pairs within a threshold; where there are very many, that there are."""
        found = int(np.searchsorted(self.nearest, threshold, "right"))
        return f"above {found / self.pairs:.0e}" if found == len(self.nearest) else found / self.pairs


def shares(found: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Share found of each edit."""
    return {name: round(float(share), 4) for name, share in zip(EDITS, found.mean(axis=0), strict=True)}


def tabled(measured: dict[str, Measured]) -> dict[str, Any]:
    """Recall of each edit by each kind, and by ours together."""
    rows: dict[str, Any] = {}
    for name, one in measured.items():
        threshold = 0.0 if name == PIXELS else one.threshold(RATE)
        rows[name] = {"threshold": round(threshold, 4), "false": one.rate(threshold), **shares(one.copies <= threshold)}
    together = measured[PIXELS].copies <= 0
    for name in UNION:
        together |= measured[name].copies <= measured[name].threshold(RATE / 2)
    rows["ours together"] = shares(together)
    return rows


def compared(rows: dict[str, Any], every: dict[str, Kind]) -> dict[str, Any]:
    """Each edit: ours together and the best of the others; in how many rows ours is at least as good."""
    others = [name for name, kind in every.items() if not kind.ours]
    best = {edit: max(((rows[name][edit], name) for name in others), default=(0.0, "none")) for edit in EDITS}
    behind = [edit for edit in EDITS if rows["ours together"][edit] < best[edit][0]]
    return {"best_of_others": best, "rows_in_which_ours_is_behind": behind}


def main() -> None:
    """Describe every picture once, then measure each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--crops", type=int, default=10, help="distractors of each photo")
    given = parser.parse_args()
    if not (SHARED / "photos").is_dir():
        skip("the photos are not beside this checkout; made pictures would say nothing about photos")
    files = photo_files(SHARED / "photos", given.photos).values()
    tasks = [(number, data, given.crops) for number, data in enumerate(files)]
    started = time.perf_counter()
    gathered: dict[str, list[tuple[Codes, Codes, Codes]]] = defaultdict(list)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), initializer=_start) as pool:
        for one in pool.map(told, tasks, chunksize=4):
            for source, codes in one.items():
                gathered[source].append(codes)
    stacked = {source: [np.stack(part) for part in zip(*codes, strict=True)] for source, codes in gathered.items()}
    every = kinds()
    measured = {name: Measured(kind, *stacked[kind.source]) for name, kind in every.items()}
    rows = tabled(measured)
    publish(
        "copy_detection",
        {
            "data": f"{len(tasks):,} photos x {len(EDITS)} edits, {len(tasks) * given.crops:,} crops as distractors",
            "pairs_that_would_be_false": measured[PIXELS].pairs,
            "others": installed() | {"imagededup CNN": "left out: its weights come from the network"},
            "recall_at_1e-5": rows,
            "recall_at_the_defaults": {
                name: {"threshold": at, "false": measured[name].rate(at), **shares(measured[name].copies <= at)}
                for name, at in DEFAULTS.items()
            },
            **compared(rows, every),
            "minutes": round((time.perf_counter() - started) / 60, 1),
        },
    )


if __name__ == "__main__":
    main()
