"""How fast is an export, against a bare loop that reads, hashes, writes and fsyncs the same kept bytes?

Both take the kept samples' members in source order and write files of a thousand samples. The loop knows every place
and length beforehand, hashes each member once and adds no header; ours plans, checks hashes, names, and writes tars
that it hashes too, with a Parquet beside each. The two take turns in one process, on warm sources, and the ratio of
each round counts. Ours hashes every byte twice, in two threads: it needs two idle cores to be judged.

Run: `python benchmarks/export_speed.py [--samples 10000] [--rounds 5]`
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from nemo_curator.runs.exporting import ExportSettings, export
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.names import beside
from nemo_curator.shards.partitioning import Partition
from support.kept_run import kept_run, write_files, write_tars
from support.machine import publish

SHARD = 1000
Place = tuple[str, int, int, str]


def kept_places(run: RunDirectory, partitions: Sequence[Partition]) -> list[list[Place]]:
    """(file, offset, length, hash) of every member of each kept sample, in source order."""
    verdicts = pq.read_table(run.decisions)["verdict"].to_pylist()
    places: list[list[Place]] = []
    position = 0
    for one in partitions:
        locations = {entry.path: entry.location for entry in one.entries}
        for row in pq.read_table(run.part(one.id), columns=["source", "members"]).to_pylist():
            file = locations[row["source"]]
            if verdicts[position] == "keep":
                places.append(
                    [
                        (file if at["offset"] else beside(file, at["name"]), at["offset"], at["length"], at["sha256"])
                        for at in row["members"]
                    ]
                )
            position += 1
    return places


def bare_loop(places: list[list[Place]], output: Path) -> None:
    """The loop."""
    output.mkdir()
    name, descriptor = "", -1
    for start in range(0, len(places), SHARD):
        with (output / f"{start}.bin").open("wb") as file:
            for sample in places[start : start + SHARD]:
                for path, offset, length, sha256 in sample:
                    if path != name:
                        if descriptor >= 0:
                            os.close(descriptor)
                        name, descriptor = path, os.open(path, os.O_RDONLY)
                    data = os.pread(descriptor, length, offset)
                    assert hashlib.sha256(data).hexdigest() == sha256
                    file.write(data)
            file.flush()
            os.fsync(file.fileno())
    os.close(descriptor)


def seconds(work: Callable[[Path], object], output: Path) -> float:
    """Wall time of one export into a fresh folder, with nothing left to write back from before."""
    shutil.rmtree(output, ignore_errors=True)
    gc.collect()
    os.sync()
    start = time.perf_counter()
    work(output)
    return time.perf_counter() - start


def compared(source: Path, folder: Path, rounds: int) -> dict[str, object]:
    """The two in turn."""
    run, partitions = kept_run(source, folder / "run")
    places = kept_places(run, partitions)
    size = sum(length for sample in places for _, _, length, _ in sample)
    settings = ExportSettings(shard_size=SHARD)
    taken: dict[str, list[float]] = {"ours": [], "bare_loop": []}
    for _ in range(rounds):
        taken["bare_loop"].append(seconds(lambda output: bare_loop(places, output), folder / "out"))
        taken["ours"].append(seconds(lambda output: export(run, partitions, str(output), settings), folder / "out"))
    shutil.rmtree(folder / "out")
    ratios = [bare / ours for bare, ours in zip(taken["bare_loop"], taken["ours"], strict=True)]
    return {
        "kept_samples": len(places),
        "kept_mb": round(size / 1e6),
        "seconds": {name: round(statistics.median(values), 3) for name, values in taken.items()},
        "ours_mb_per_second": round(size / 1e6 / statistics.median(taken["ours"])),
        "speed_as_share_of_bare_loop": round(statistics.median(ratios), 3),
        "rounds_from": round(min(ratios), 3),
        "rounds_to": round(max(ratios), 3),
    }


def main() -> None:
    """Compare on tars and on loose files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    figures: dict[str, object] = {}
    for name, write in (("tars", write_tars), ("files", write_files)):
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "photos", given.samples)
            figures[name] = compared(Path(folder) / "photos", Path(folder), given.rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    publish("export_speed", {**figures, "rounds": given.rounds, "peak_rss_mb": round(peak)})


if __name__ == "__main__":
    main()
