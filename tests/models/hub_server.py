"""A model hub of our own on this machine: the few answers that the hub's client needs to fetch a file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "somebody/a-model"


def sha256(content: bytes) -> str:
    """Hex SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


@dataclass
class Hub:
    """What the hub has, how it misbehaves, and what it was asked.

    Attributes:
        files: Path after the host, such as `somebody/a-model/resolve/<commit>/config.json`, to content.
        large: Names of files that it keeps as large ones: named by their SHA-256, and sent from another address.
        statuses: Name of a file to a status that it answers instead, and the hub's own word for the reason.
        sends: Name of a file to bytes that it sends instead of what it announces.
        claims: Name of a large file to the length that it announces instead of the true one.
        holds: Names of files of which it sends half, and the rest when `go_on` is set.
        half: Is set when half of a held file is sent.
        go_on: Ends the holding.
        token: A token without which it answers with 401.
        requests: Method, path and headers of everything it was asked.
        address: Where it listens.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    statuses: dict[str, tuple[int, str]] = field(default_factory=dict)
    sends: dict[str, bytes] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    holds: set[str] = field(default_factory=set)
    half: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)
    token: str = ""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def add(self, name: str, content: bytes, repository: str = REPOSITORY, commit: str = COMMIT) -> bytes:
        """Publish a file; returns its content."""
        self.files[f"{repository}/resolve/{commit}/{name}"] = content
        return content

    def asked(self, method: str) -> list[str]:
        """The paths of all requests with a method."""
        return [path for verb, path, _ in self.requests if verb == method]


class _Handler(BaseHTTPRequestHandler):
    """Answers HEAD and GET for a `Hub`."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """What a file is."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """The file."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        """What the hub has under the path that was asked for, or how it refuses."""
        path = self.path.lstrip("/")
        self.hub.requests.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        name = path.rsplit("/", 1)[-1]
        content = self.hub.files.get(path.removeprefix("cdn/"))
        status, reason = self.hub.statuses.get(name, (0, ""))
        if (
            self.hub.token
            and not path.startswith("cdn/")
            and self.headers.get("authorization") != f"Bearer {self.hub.token}"
        ):
            status, reason = 401, "RepoNotFound"
        if not status and content is None:
            status, reason = 404, "EntryNotFound"
        if status:
            # a hub that echoes what it was sent: no reason to show it to anybody
            self._send(status, {"X-Error-Code": reason, "X-Error-Message": str(self.headers.get("authorization"))}, b"")
            return
        assert content is not None
        blob = hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
        tag = sha256(content) if name in self.hub.large else blob
        commit = path.partition("/resolve/")[2].partition("/")[0]
        facts = {"X-Repo-Commit": commit, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if name in self.hub.large and not path.startswith("cdn/"):
            # another host, as on the real hub, whose addresses are signed and need no token
            moved = {
                "Location": f"{self.hub.address.replace('127.0.0.1', 'localhost')}/cdn/{path}",
                "X-Linked-Size": str(self.hub.claims.get(name, len(content))),
            }
            self._send(302, {**facts, **moved, "X-Linked-ETag": f'"{tag}"'}, b"")
            return
        sent = self.hub.sends.get(name, content)
        if body and name in self.hub.holds:
            self._send(200, facts, sent[: len(sent) // 2], length=len(sent), body=body)
            self.wfile.flush()
            self.hub.half.set()
            self.hub.go_on.wait()
            with suppress(OSError):  # whoever asked may be gone
                self.wfile.write(sent[len(sent) // 2 :])
            return
        self._send(200, facts, sent, length=len(sent), body=body)

    def _send(
        self, status: int, headers: dict[str, str], content: bytes, *, length: int = 0, body: bool = True
    ) -> None:
        """One whole answer, after which the connection ends."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length or len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(content)
        self.close_connection = True


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that listens until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
