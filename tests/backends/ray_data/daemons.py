"""A cluster as somebody who runs one has it: `ray start`, once for each node, and every node can be killed."""

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

import psutil

ROOT = Path(__file__).parents[3]
STORE = 80_000_000  # bytes: the least that Ray takes
PATIENCE = 120.0
TOKEN = secrets.token_hex(32)
"""Ray lets nobody in who has another one; without it, it writes one of its own below the home directory."""


def environment(**more: str) -> dict[str, str]:
    """That of a process which finds imagecurator and the stages of the tests as this one does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    ours = {"PYTHONPATH": path, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    return {**kept, **ours, **more}


class Daemons:
    """Nodes of one core each on this machine, which see each other over the loopback.

    Args:
        folder: For Ray's own files; a short path, since sockets lie in it.
    """

    def __init__(self, folder: str) -> None:
        """None of them is up yet."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.address = f"127.0.0.1:{server.getsockname()[1]}"
        self._folder = folder
        self._nodes: list[subprocess.Popen[bytes]] = []

    def head(self, **more: str) -> subprocess.Popen[bytes]:
        """The node that the others, and drivers, ask first."""
        port = self.address.rpartition(":")[2]
        words = ["--head", "--port", port, "--include-dashboard", "false", "--temp-dir", self._folder]
        return self._node(words, more)

    def join(self, **more: str) -> subprocess.Popen[bytes]:
        """Another node; `more` are environment variables of what runs on it."""
        return self._node(["--address", self.address], more)

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """End a node as a power cut does: all its processes at once."""
        processes = []
        if node.poll() is None:
            processes = [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        node.wait()
        psutil.wait_procs(processes, PATIENCE)
        self._nodes.remove(node)

    def close(self) -> None:
        """End them all."""
        for node in list(self._nodes):
            self.kill(node)

    def _node(self, words: list[str], more: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start one, and wait until the cluster knows it."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus", "1", *words]
        command += ["--node-ip-address", "127.0.0.1", "--object-store-memory", f"{STORE}", "--disable-usage-stats"]
        log = Path(self._folder, f"node-{len(list(Path(self._folder).glob('node-*')))}")
        with log.open("wb") as output:
            node = subprocess.Popen(command, env=environment(**more), stdout=output, stderr=output)
        self._nodes.append(node)
        end = time.monotonic() + PATIENCE
        while b"--block" not in log.read_bytes():  # what it says when it is up
            assert node.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        return node


@contextmanager
def daemons() -> Iterator[Daemons]:
    """A cluster without a node yet."""
    folder = tempfile.mkdtemp(prefix="r")
    cluster = Daemons(folder)
    try:
        yield cluster
    finally:
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)
