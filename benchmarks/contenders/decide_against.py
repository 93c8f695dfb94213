"""Decide a made run, alone or against an earlier one: `decide_against.py KIND RUN [EARLIER]`.

KIND is `bytes`, `copies`, `similar`, or `all` of them. Prints seconds, from when everything is imported. Whatever a
decision needs that is not there is searched for and written, as `imagecurator decide` does.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from nemo_curator.cli.no_pandas import leave_pandas_out
from nemo_curator.runs.deciding import Alike, Copies, Policy, decide, near_kinds
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.between import find_pairs_between
from nemo_curator.runs.pairing.store import Wanted, find_pairs

ALIKE = {"bytes": None, "copies": Alike(copies=Copies()), "similar": Alike(similar=0.05)}
ALIKE["all"] = Alike(copies=Copies(), similar=0.05)
FOUND_BY = {"copies": "pdq", "similar": "embedding"}


def main(kind: str, root: str, earlier: str = "") -> None:
    """Decide by the partitions that the made run lists."""
    leave_pandas_out()  # as every command does
    start = time.perf_counter()
    run, ids = _run(root)
    alike = ALIKE[kind]
    wanted = [Wanted(one.pairs, one.radius, {FOUND_BY[one.pairs]: ""}) for one in near_kinds(alike)] if alike else []
    others = [OtherSet.of("earlier", "against", *_run(earlier))] if earlier else []
    policy = Policy(alike=alike, against=tuple(one.name for one in others))
    pairs = find_pairs(run, ids, wanted)
    between = find_pairs_between(run, ids, others, wanted)
    decide(run, ids, policy, pairs=pairs, others=others, between=between)
    sys.stdout.write(f"{time.perf_counter() - start}\n")


def _run(root: str) -> tuple[RunDirectory, list[str]]:
    return RunDirectory(root), json.loads((Path(root) / "ids.json").read_text())


if __name__ == "__main__":
    main(*sys.argv[1:])
