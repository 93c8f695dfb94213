"""How long does matching images against lists of known hashes take, against comparing each with each?

*Search*: the PDQ hashes of so many images against so many listed ones, at 31 bits. Hashes are random; one listed hash
of a hundred is that of an image with a few bits changed, and all of these must be found. *limit* is NumPy's popcount of
every pair, in blocks that stay in the processor's cache, timed on as many images as it does in some seconds.

*Deciding*: a run of made hashes decided in a process of its own, by no list, and by three: SHA-256, MD5 and PDQ.

Run: `python benchmarks/known_bad_speed.py [--rows 1000000] [--exact 3000000] [--near 10000] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.kernels.hamming import HammingIndex, nearest_within
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.image.filters.hash_filter import ImageHashFilterStage
from support.machine import publish

DECIDE = Path(__file__).parent / "contenders" / "decide_known.py"
RADIUS = 31
PART = 10_000
PAIRS = 4e8  # that the limit is timed on
BLOCK = 1 << 17  # pairs that it compares at a time
SHARE = 100  # one listed hash of so many is that of an image


def made(images: int, listed: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of images and of a list."""
    hashes = random.integers(0, 256, (images, 32), dtype=np.uint8)
    others = random.integers(0, 256, (listed, 32), dtype=np.uint8)
    near = hashes[random.choice(images, listed // SHARE, replace=False)].copy()
    for at in range(20):  # bits changed, at most
        near[np.arange(len(near)), random.integers(0, 32, len(near))] ^= np.uint8(1 << at % 8)
    others[: len(near)] = near
    return hashes, others


def each_with_each(hashes: np.ndarray, others: np.ndarray) -> int:
    """Pairs within the radius."""
    words, listed = (np.ascontiguousarray(one.view(np.uint64).T) for one in (hashes, others))
    found, step = 0, max(1, BLOCK // len(others))
    for start in range(0, len(hashes), step):
        block = words[:, start : start + step]
        distance = np.bitwise_count(block[0][:, None] ^ listed[0]).astype(np.uint16)
        for mine, other in zip(block[1:], listed[1:], strict=True):
            np.add(distance, np.bitwise_count(mine[:, None] ^ other), out=distance)
        found += int(np.count_nonzero(distance <= RADIUS))
    return found


def searched(images: int, listed: int, rounds: int) -> dict[str, Any]:
    """Seconds of both, and how many times as fast ours is."""
    hashes, others = made(images, listed, np.random.default_rng(0))
    some = hashes[: max(1, min(images, int(PAIRS / listed)))]
    ours, limit, found = [], [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        rows, _ = nearest_within(hashes, HammingIndex(others), RADIUS)
        ours.append(time.perf_counter() - start)
        found = int(np.count_nonzero(rows >= 0))
        start = time.perf_counter()
        each_with_each(some, others)
        limit.append((time.perf_counter() - start) * images / len(some))
    assert found >= listed // SHARE * 0.99
    return {
        "pairs": f"{images:,} images x {listed:,} listed",
        "seconds": {"ours": round(statistics.median(ours), 2), "limit": round(statistics.median(limit), 1)},
        "times_faster": round(statistics.median(a / b for a, b in zip(limit, ours, strict=True)), 1),
        "found": found,
    }


def made_run(root: Path, rows: int, random: np.random.Generator) -> np.ndarray:
    """A run whose records have hashes and little else; the PDQ hashes of the first part."""
    run, ids, first = RunDirectory(str(root)), [], np.empty((0, 32), np.uint8)
    schema = part_schema(ImageHashFilterStage().score_columns())
    for number, start in enumerate(range(0, rows, PART)):
        count = min(PART, rows - start)
        values = {size: random.integers(0, 256, (count, size), dtype=np.uint8) for size in (16, 32)}
        near = random.integers(0, 256, (count, 32), dtype=np.uint8)
        first = near if not number else first
        known = {
            "image_id": pa.array([f"photos/{start + at:09d}" for at in range(count)]),
            "sha256": pa.array([one.tobytes().hex() for one in values[32]]),
            "md5": pa.array([one.tobytes().hex() for one in values[16]]),
            "pdq": pa.array([one.tobytes().hex() for one in near]),
            "pdq_quality": pa.array(np.full(count, 100)).cast(schema.field("pdq_quality").type),
        }
        ids.append(f"{number:016x}")
        columns = [known.get(field.name, pa.nulls(count, field.type)) for field in schema]
        with storage.write_atomic(run.part(ids[-1])) as file:
            pq.write_table(pa.table(columns, schema=schema), file, compression="zstd")
    (root / "ids.json").write_text(json.dumps(ids))
    return first


def write_list(path: Path, hashes: np.ndarray) -> str:
    """A file of hashes, one a line."""
    with path.open("w") as file:
        file.writelines(f"{one.tobytes().hex()}\n" for one in hashes)
    return str(path)


def decided(command: list[str]) -> tuple[float, float]:
    """(wall seconds, peak resident megabytes) of one whole process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return seconds, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def deciding(rows: int, exact: int, near: int, rounds: int) -> dict[str, Any]:
    """Seconds and memory of a decision without lists and with three."""
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        first = made_run(Path(folder) / "run", rows, random)
        listed = random.integers(0, 256, (near, 32), dtype=np.uint8)
        some = first[: min(near, len(first)) // 100]
        listed[: len(some)] = some
        lists = [
            write_list(Path(folder) / "a.sha256", random.integers(0, 256, (exact, 32), dtype=np.uint8)),
            write_list(Path(folder) / "b.md5", random.integers(0, 256, (exact, 16), dtype=np.uint8)),
            write_list(Path(folder) / "c.pdq", listed),
        ]
        plain = [sys.executable, str(DECIDE), f"{folder}/run"]
        taken: dict[str, list[tuple[float, float]]] = {"none": [], "three": []}
        for _ in range(rounds):
            taken["none"].append(decided(plain))
            taken["three"].append(decided([*plain, *lists]))
    return {
        "data": f"{rows:,} rows; lists of {exact:,} SHA-256, {exact:,} MD5, {near:,} PDQ",
        "seconds": {name: round(statistics.median(one for one, _ in runs), 2) for name, runs in taken.items()},
        "peak_mb": {name: round(max(peak for _, peak in runs)) for name, runs in taken.items()},
    }


def main() -> None:
    """Time both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--exact", type=int, default=3_000_000)
    parser.add_argument("--near", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    square = max(1, round((given.rows * given.near) ** 0.5))  # as many pairs, of as many images as listed ones
    publish(
        "known_bad_speed",
        {
            "search": [searched(*sizes, given.rounds) for sizes in ((given.rows, given.near), (square, square))],
            "deciding": deciding(given.rows, given.exact, given.near, given.rounds),
            "rounds": given.rounds,
        },
    )


if __name__ == "__main__":
    main()
