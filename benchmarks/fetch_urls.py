"""How fast is a list of URLs fetched from a server that is no hindrance, beside img2dataset?

A server on this machine answers every request at once with a picture of some bytes; both take the same list, keep
bytes as they came, and write WebDataset tars of 1,000 rows, in turns. Ours is asked to be as impolite as the other: no
time between requests, as many at a time to the one host as altogether; it reads robots.txt, checks the address of each
connection, hashes and sniffs each picture, and keeps a spool. The server takes part of the same cores. With `--polite`
ours once more with its defaults, on fewer rows.

Run: `python benchmarks/fetch_urls.py [--rows 10000] [--bytes 40000] [--rounds 3] [--connections 64] [--folder PEERS]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from support.machine import publish, skip
from support.peer_environments import DEFAULT, python, versions

CONTENDERS = Path(__file__).parent / "contenders"
PICTURES = 500
FEW = 50


@contextmanager
def serving(size: int) -> Iterator[int]:
    """The port of the server, which is gone at the end."""
    command = [sys.executable, str(CONTENDERS / "picture_server.py"), str(PICTURES), str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.stdin.close()


def write_list(path: Path, port: int, rows: int) -> None:
    """A list of URLs, each another one."""
    urls = [f"http://127.0.0.1:{port}/{at}.jpg" for at in range(rows)]
    pq.write_table(pa.table({"url": urls, "caption": [f"picture {at}" for at in range(rows)]}), path)


def ours(listed: Path, output: Path, connections: int, *, polite: bool = False) -> float:
    """Seconds of `imagecurator fetch`, the start of the process included."""
    quick = [] if polite else ["--delay", "0", "--per-host", str(connections), "--connections", str(connections)]
    command = [sys.executable, "-m", "nemo_curator.cli", "fetch", str(listed), str(output), *quick]
    began = time.perf_counter()
    subprocess.run([*command, "--allow-private", "127.0.0.1/32", "--json"], check=True, capture_output=True)
    return time.perf_counter() - began


def theirs(program: Path, listed: Path, output: Path, connections: int) -> float:
    """Seconds of img2dataset, its start left out."""
    cores = len(os.sched_getaffinity(0))
    command = [str(program), str(CONTENDERS / "img2dataset_download.py"), str(listed), str(output), str(cores)]
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run(
        [*command, str(connections // cores)], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stderr.rpartition("SECONDS ")[2].split()[0])


def images(output: Path) -> int:
    """Images in the tars of a folder."""
    found = 0
    for path in output.glob("*.tar"):
        with tarfile.open(path) as tar:
            found += sum(name.endswith(".jpg") for name in tar.getnames())
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--folder", type=Path, default=DEFAULT)
    parser.add_argument("--polite", action="store_true")
    asked = parser.parse_args()
    try:
        import aiohttp
        import protego  # noqa: F401  it is asked for
    except ImportError:
        skip("aiohttp and Protego are not installed: pip install 'imagecurator[fetch]'")
    program = python(asked.folder, "img2dataset")
    peer = versions(asked.folder, "img2dataset")
    seconds: dict[str, list[float]] = {"imagecurator": [], **({"img2dataset": []} if peer else {})}
    with tempfile.TemporaryDirectory() as folder, serving(asked.bytes) as port:
        place = Path(folder)
        write_list(place / "list.parquet", port, asked.rows)
        for at in range(asked.rounds):
            for name, times in seconds.items():
                output = place / f"{name}-{at}"
                if name == "imagecurator":
                    times.append(ours(place / "list.parquet", output, asked.connections))
                else:
                    times.append(theirs(program, place / "list.parquet", output, asked.connections))
                assert images(output) == asked.rows, name
        polite = None
        if asked.polite:
            write_list(place / "few.parquet", port, FEW)
            polite = FEW / ours(place / "few.parquet", place / "polite", 0, polite=True)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    publish(
        "fetch_urls",
        {
            "rows": asked.rows,
            "bytes": asked.bytes,
            "rounds": asked.rounds,
            "connections": asked.connections,
            "aiohttp": aiohttp.__version__,
            "peer": peer or "not installed",
            "seconds": seconds,
            "images_per_second": {name: asked.rows / median for name, median in medians.items()},
            "ratio": medians["img2dataset"] / medians["imagecurator"] if peer else None,
            "polite_images_per_second": polite,
        },
    )


if __name__ == "__main__":
    main()
