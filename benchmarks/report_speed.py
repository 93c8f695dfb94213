"""How long does the report of a run of 1,000,000 images take, how much memory, and how large and quick is the page?

A run of made scores and embeddings with the real schema, decided by five rules and equal bytes. The pictures that the
page shows are real ones in sparse shards; which ones that are is asked of the report before the clock starts. The
process is timed as a whole; memory is the proportional set size of it and the two that make thumbnails, sampled ten
times a second. *interactive* is the time from opening the page to the end of its script, in headless Chromium, where
Playwright and Chromium are installed.

Run: `python benchmarks/report_speed.py [--rows 1000000]`
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contenders.decide_once import COLUMNS, RULES
from nemo_curator.report.gather import gather
from nemo_curator.runs.deciding import Policy, decide, parse_rule
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import write_partitions
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.partitioning import Partition
from nemo_curator.testing import encoded, photo
from support.machine import publish
from support.made_run import PART, Compared, Pictures, make_run
from support.memory import peak_memory
from support.painted import seconds_until_ready

HERE = Path(__file__).parent / "contenders"
DIMENSION = 64
BUDGETS = {"seconds": 60, "peak_mb": 1000, "page_mb": 15, "interactive_s": 2}


def noisy(seed: int) -> np.ndarray:
    """A picture that does not compress well, so that the bytes of the page are put to the test."""
    noise = np.random.default_rng(seed).integers(-40, 40, (375, 500, 3))
    return np.clip(photo(seed, 500, 375).astype(np.int64) + noise, 0, 255).astype(np.uint8)


def decided_run(folder: Path, rows: int, pictures: Pictures) -> RunDirectory:
    """A run that is scored and decided, with everything that a report reads but the pictures."""
    random = np.random.default_rng(0)
    vectors = random.standard_normal((rows, DIMENSION), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    compared = Compared(random.integers(0, 256, (rows, 32), np.uint8), vectors)
    run, ids = make_run(str(folder / "run"), rows, compared=compared, pictures=pictures)
    shards = [f"photos/{number:06d}.tar" for number in range(-(-rows // 1000))]
    each = PART // 1000
    made = [
        Partition(tuple(_entry(folder, path) for path in shards[start : start + each]))
        for start in range(0, len(shards), each)
    ]
    write_partitions(run, made)
    _rename(run, dict(zip([one.id for one in made], ids, strict=True)))
    rules = tuple(parse_rule(name, text, COLUMNS) for name, text in RULES.items())
    decide(run, ids, Policy(rules, prefer=parse_rule("prefer", "width * height", COLUMNS)))
    recipe = {"rules": RULES, "duplicates": {"bytes": True}}
    Path(run.run_json).write_text(json.dumps({"run": "imagecurator-run-2", "columns": {}, "recipe": recipe}))
    return run


def _entry(folder: Path, path: str) -> Entry:
    return Entry(str(folder / path), str(folder), "", path, "tar")


def _rename(run: RunDirectory, ids: dict[str, str]) -> None:
    """Give partitions the ids that the made parts have."""
    table = pq.read_table(run.partitions)
    named = pa.array([ids[one] for one in table["partition_id"].to_pylist()])
    pq.write_table(table.set_column(0, "partition_id", named), run.partitions)


def put_pictures(folder: Path, run: RunDirectory, pictures: Pictures) -> int:
    """Write the pictures that the page shows to where the run says that they lie."""
    page = gather(run)
    part, table = -1, None
    for position in sorted(page.figures):
        if position // PART != part:
            part = position // PART
            partition_id = f"{part * 0x9E3779B97F4A7C15 % 2**64:016x}"
            table = pq.read_table(run.part(partition_id), columns=["members", "sha256"])
        member = table["members"][position % PART].as_py()[0]
        number = next(
            one for one in range(position, max(-1, position - 50_000), -1) if _is(pictures, one, member["sha256"])
        )
        shard = folder / "photos" / f"{position // 1000:06d}.tar"
        shard.parent.mkdir(exist_ok=True)
        with shard.open("r+b" if shard.exists() else "w+b") as file:
            file.seek(member["offset"])
            file.write(pictures.bytes_of(number))
    return len(page.figures)


def _is(pictures: Pictures, number: int, digest: str) -> bool:
    return next(pictures.hashes([number])) == digest


def opened(page: Path) -> dict[str, Any]:
    """Seconds until the page is ready to be used; why not where that cannot be told."""
    taken = seconds_until_ready(f"file://{page}")
    return {"interactive_s": taken if isinstance(taken, str) else round(sorted(taken)[1], 2)}


def main() -> None:
    """Make a run, report on it, and open the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    pictures = Pictures([encoded(noisy(seed), quality=88) for seed in range(64)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = decided_run(folder, rows, pictures)
        shown = put_pictures(folder, run, pictures)
        start = time.perf_counter()
        code, top = peak_memory([sys.executable, str(HERE / "report_once.py"), run.root])
        seconds = time.perf_counter() - start
        assert code == 0, code
        page = Path(run.report)
        figures = {
            "data": f"{rows:,} made rows, {shown} pictures",
            "seconds": round(seconds, 1),
            "peak_mb": round(sum(top) / 1e6),
            "by_process_mb": [round(one / 1e6) for one in top],
            "page_mb": round(page.stat().st_size / 1e6, 1),
            **opened(page),
            "budgets": BUDGETS,
        }
    publish(f"report_speed_{rows}", figures)


if __name__ == "__main__":
    main()
