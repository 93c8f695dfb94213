"""How long does `imagecurator view` of 1,000,000 images take to start, to paint, and to answer, and how much memory?

The made run of `report_speed.py`. Start is the time until the address is printed; first paint that from opening it to
the end of the page's script, in headless Chromium, where Playwright and Chromium are installed. Answers are timed one
after another over one connection, each kind for values and places that differ, and given as median and the slowest.
Pictures are of real files in sparse shards. Memory is proportional, of the server and its processes, at the end.

Run: `python benchmarks/view_server.py [--rows 1000000]`
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

from nemo_curator.report.gather import gather
from nemo_curator.report.serving.access import HEADER
from nemo_curator.testing import encoded
from report_speed import HERE, decided_run, noisy, put_pictures
from support.machine import publish
from support.made_run import Pictures
from support.painted import seconds_until_ready


class Asking:
    """Asks the server, over one connection.

    Args:
        address: What it printed.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._headers = {HEADER: parts.query.partition("=")[2]}
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self._edition = 0
        self._edition = json.loads(self("/api/state"))["edition"]

    def __call__(self, path: str, **fields: Any) -> bytes:
        """The body of an answer, which must be a good one."""
        self._connection.request(
            "GET", f"{path}?{urlencode({'edition': self._edition, **fields})}", headers=self._headers
        )
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body


def timed(ask: Callable[[Any], object], values: Iterable[Any]) -> dict[str, float]:
    """Milliseconds that questions take: median, and the slowest."""
    times = []
    for value in values:
        start = time.perf_counter()
        ask(value)
        times.append(1000 * (time.perf_counter() - start))
    return {"median_ms": round(statistics.median(times), 1), "slowest_ms": round(max(times), 1)}


def answers(ask: Asking, shown: list[int], rows: int) -> dict[str, Any]:
    """What each kind of question takes."""
    axis, other = 3, 5
    return {
        "first count of a score": timed(lambda value: ask("/api/count", axis=axis, value=value), [0.31]),
        "count": timed(lambda at: ask("/api/count", axis=axis, value=at / 100), range(100)),
        "nearest 12": timed(lambda at: ask("/api/near", axis=axis, value=at / 50, most=6), range(30)),
        "gallery, source order": timed(lambda at: ask("/api/images", offset=at * rows // 40), range(30)),
        "gallery, first page by a score": timed(lambda one: ask("/api/images", axis=other, descending=one), [0, 1]),
        "gallery, further pages by it": timed(
            lambda at: ask("/api/images", axis=other, offset=at * rows // 40), range(30)
        ),
        "gallery, words": timed(lambda word: ask("/api/images", text=word), ["photo", "9 99", "nothing such", "00077"]),
        "duplicates": timed(lambda at: ask("/api/alike", order="size", offset=24 * at), range(10)),
        "picture": timed(lambda at: ask("/picture", at=at), shown[:100]),
        "picture, once more": timed(lambda at: ask("/picture", at=at), shown[:100]),
    }


def painted(address: str) -> dict[str, Any]:
    """Seconds until the page is ready to be used, the first time and the median of three; why not where unknown."""
    taken = seconds_until_ready(address)
    if isinstance(taken, str):
        return {"first_paint_s": taken}
    return {"first_paint_s": round(taken[0], 2), "median_paint_s": round(sorted(taken)[1], 2)}


def main() -> None:
    """Make a run, serve it, and ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    pictures = Pictures([encoded(noisy(seed), quality=88) for seed in range(64)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = decided_run(folder, rows, pictures)
        put_pictures(folder, run, pictures)
        shown = sorted(gather(run).figures)
        start = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, str(HERE / "view_once.py"), run.root], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            begun = time.perf_counter() - start
            paint = painted(address)
            found = answers(Asking(address), shown, rows)
            process = psutil.Process(server.pid)
            memory = [one.memory_full_info().pss for one in [process, *process.children(recursive=True)]]
            page = len(Asking(address)("/"))
        finally:
            server.kill()
            server.wait()
        figures = {
            "data": f"{rows:,} made rows",
            "start_s": round(begun, 1),
            **paint,
            "page_mb": round(page / 1e6, 1),
            "memory_mb": round(sum(memory) / 1e6),
            "answers": found,
        }
    publish(f"view_server_{rows}", json.loads(json.dumps(figures)))


if __name__ == "__main__":
    main()
