"""A Ray cluster of one node, as `ray start` makes it, for as long as a block lasts."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

STORE = 256_000_000  # bytes of the object store, as those of a cluster that the command itself starts
_PATIENCE = 120.0


class RayHead(NamedTuple):
    """A cluster that is up.

    Attributes:
        address: As `--ray-address` takes it.
        environment: Variables that a process needs which goes there.
        process: Number of the process that all of the cluster's descend from.
        seconds: How long it took to start.
    """

    address: str
    environment: dict[str, str]
    process: int
    seconds: float


@contextmanager
def ray_head(cpus: int) -> Iterator[RayHead]:
    """Start one of so many CPUs, on the cores that this process may use; it listens on the loopback, and wants a token.

    Args:
        cpus: What Ray gives away.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    keys = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    folder = tempfile.mkdtemp(prefix="r")  # short: there are sockets in it
    words = ["--head", "--block", "--port", f"{port}", "--num-cpus", f"{cpus}", "--node-ip-address", "127.0.0.1"]
    words += ["--object-store-memory", f"{STORE}", "--include-dashboard", "false", "--temp-dir", folder]
    log, since = Path(folder, "said"), time.perf_counter()
    with log.open("wb") as said:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words]
        process = subprocess.Popen(command, env={**os.environ, **keys}, stdout=said, stderr=said)
    try:
        while b"--block" not in log.read_bytes():  # what it says when it is up
            assert process.poll() is None, log.read_text()
            assert time.perf_counter() - since < _PATIENCE, log.read_text()
            time.sleep(0.02)
        yield RayHead(f"127.0.0.1:{port}", keys, process.pid, time.perf_counter() - since)
    finally:
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """All of it at once."""
    with suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        for one in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.Error):
                one.kill()
    process.wait()
