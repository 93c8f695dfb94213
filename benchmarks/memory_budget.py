"""Does `--memory` hold, for all processes of a run together, and is the result the same whatever the budget?

Three inputs: photos (run to the end), a hundred pictures of a hundred megapixels (of which a third are progressive
JPEGs and PNGs, the hungriest), and a shard of 5 GB whose members are of 2 MB (made sparse). Peak of proportional
memory, summed over the command and its children and sampled ten times a second, beside the budget. The parts of all
budgets of a case with the same settings must be the same bytes.

Run: `python benchmarks/memory_budget.py [--only photos] [--large 100]`; six minutes on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from nemo_curator.kernels.sizes import parse_size
from nemo_curator.testing import make_tar
from support.large_pictures import picture, writers
from support.machine import publish
from support.memory import peak_memory
from support.photos import photo_shards
from support.sparse_shard import sparse_shard

BUDGETS = ("1.5GB", "2GB", "4GB")
STATISTICS = ("--scores", "header,sharpness,exposure,entropy", "-s", "rules={}")
KINDS = ("jpeg 4:4:4", "jpeg baseline", "jpeg progressive 4:4:4", "jpeg baseline", "png rgb", "jpeg 4:4:4")


class Case(NamedTuple):
    """An input.

    Attributes:
        command: What is done with it.
        folder: Where it lies.
        what: It, in words.
        options: Of the command.
        tight: Further ones, for the smallest budget.
    """

    command: str
    folder: Path
    what: str
    options: tuple[str, ...]
    tight: tuple[str, ...]


def photos(folder: Path, _: int) -> Case:
    """The default recipe to the end; in the smallest budget with smaller images admitted."""
    found, what = photo_shards(folder / "photos")
    return Case("run", found, what, (), ("-s", "limits.memory=600MB"))


def large(folder: Path, count: int) -> Case:
    """Pictures of 10,000 x 10,000; statistics alone, so that decoding is what takes memory."""
    pixels, write = picture(10_000, 10_000), writers()
    made = {kind: write[kind](pixels) for kind in dict.fromkeys(KINDS)}
    del pixels
    for shard in range(4):
        numbers = range(shard, count, 4)
        members = [(f"{number:03d}.img", made[KINDS[number // 4 % len(KINDS)]]) for number in numbers]
        make_tar(folder / "large" / f"{shard}.tar", members)
    return Case("score", folder / "large", f"{count} of 100 megapixels", STATISTICS, ("-s", "limits.bytes=32MB"))


def shard(folder: Path, _: int) -> Case:
    """One shard of 5 GB."""
    (folder / "shard").mkdir()
    count = sparse_shard(folder / "shard" / "0.tar", 5_000_000_000, 2_000_384)
    return Case("score", folder / "shard", f"{count:,} of 2 MB in one tar", STATISTICS, ("-s", "limits.bytes=32MB"))


def measure(case: Case, budget: str, out: Path) -> dict[str, Any]:
    """What one run took."""
    options = [*case.options, *(case.tight if budget == BUDGETS[0] else ())]
    command = [sys.executable, "-m", "nemo_curator.cli", case.command, str(case.folder), str(out)]
    code, top = peak_memory([*command, *options, "--memory", budget, "--json"])
    peak = sum(top)
    return {
        "options": " ".join(options),
        "exit_code": code,
        "peak_mb": round(peak / 1e6),
        "by_process_mb": [round(size / 1e6) for size in top],
        "held": code == 0 and peak <= parse_size(budget),
        "parts": _digest(out),
        "errors": _errors(out),
    }


def _errors(out: Path) -> dict[str, int]:
    codes = [code for path in out.rglob("parts/*.parquet") for code in pq.read_table(path)["error"].to_pylist() if code]
    return dict(Counter(codes))


def _digest(out: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(out.rglob("parts/*.parquet")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Measure all; fail where a budget did not hold, or where results of the same settings differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--large", type=int, default=100)
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    for make in (photos, large, shard):
        if chosen.only not in make.__name__:
            continue
        with tempfile.TemporaryDirectory() as folder:
            case = make(Path(folder), chosen.large)
            runs = {budget: measure(case, budget, Path(folder) / budget) for budget in BUDGETS}
        found[make.__name__] = {"data": case.what, "budgets": runs}
        for budget, one in runs.items():
            print(f"| {case.what} | {budget} | {one['peak_mb']:,} MB | {one['held']} |", flush=True)
    publish("memory_budget", {"cases": found})
    for name, case_found in found.items():
        same: dict[str, set[str]] = {}
        for one in case_found["budgets"].values():
            same.setdefault(one["options"], set()).add(one["parts"])
        if not all(one["held"] for one in case_found["budgets"].values()) or any(len(one) > 1 for one in same.values()):
            sys.exit(f"{name}: a budget did not hold, or results differ")


if __name__ == "__main__":
    main()
