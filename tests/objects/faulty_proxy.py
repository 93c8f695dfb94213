"""A proxy before a server that counts what passes, and fails when it is told to: real sockets, no mocks."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

_HOP = {"connection", "keep-alive", "transfer-encoding", "proxy-connection", "te", "trailer", "upgrade"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request that came.

    Attributes:
        number: Which one, counted from 1.
        method: GET, PUT …
        path: Path without a query, unquoted.
        query: What is behind the `?`.
        range: The range that it asks for, or "".
        seen: How many requests of this method for this path came before it.
    """

    number: int
    method: str
    path: str
    query: str
    range: str
    seen: int

    @property
    def key(self) -> str:
        """Bucket and key, without the slash before them."""
        return self.path.lstrip("/")

    @property
    def is_listing(self) -> bool:
        """Whether it lists."""
        return self.method == "GET" and "list-type" in self.query


Fault = str
"""`500`, `503` …: that status. `reset`: the connection is cut before an answer. `cut`: in the middle of the answer.
`lost`: the request is done, and its answer is lost. `slow`: the answer comes in two halves, with a pause between.
`stall`: no answer comes within 20 seconds."""

Schedule = Callable[[Request], Fault | None]


@dataclass
class Proxy:
    """A proxy at work.

    Attributes:
        endpoint: Its address.
        schedule: Which requests fail, and how; None lets all pass.
        requests: What came.
        faults: Which of them were made to fail, and how.
    """

    endpoint: str = ""
    schedule: Schedule | None = None
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[Request, Fault]] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.RLock)  # a schedule may look at what came
    _seen: dict[tuple[str, str, str], int] = field(default_factory=dict)
    closed: threading.Event = field(default_factory=threading.Event)

    def came(self, method: str, target: str, span: str) -> tuple[Request, Fault | None]:
        """Write down a request; what is to become of it."""
        path, _, query = target.partition("?")
        with self._lock:
            key = method, path, query
            seen = self._seen.get(key, 0)
            self._seen[key] = seen + 1
            request = Request(len(self.requests) + 1, method, unquote(path), query, span, seen)
            self.requests.append(request)
            fault = self.schedule(request) if self.schedule else None
            if fault:
                self.faults.append((request, fault))
        return request, fault

    def forget(self) -> None:
        """Count anew."""
        with self._lock:
            self.requests.clear()
            self.faults.clear()
            self._seen.clear()

    def of(self, method: str, ending: str = "") -> list[Request]:
        """The requests of a method for paths with that end; listings are none of them."""
        with self._lock:
            return [
                one
                for one in self.requests
                if one.method == method and one.path.endswith(ending) and not one.is_listing
            ]

    @property
    def listings(self) -> list[Request]:
        """The requests that list."""
        with self._lock:
            return [one for one in self.requests if one.is_listing]


@contextlib.contextmanager
def before(port: int, schedule: Schedule | None = None) -> Iterator[Proxy]:
    """A proxy before a port of this machine, until the block ends."""
    proxy = Proxy(schedule=schedule)

    class Handler(_Handler):
        """Knows its proxy."""

    Handler.proxy, Handler.port = proxy, port
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closed.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Passes requests on, or fails."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy
    port: int

    def log_message(self, *_):
        """Say nothing."""

    def handle(self):
        """Bear clients that leave."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def _pass(self):
        """Write a request down, and do what its schedule says."""
        request, fault = self.proxy.came(self.command, self.path, self.headers.get("Range", ""))
        body = self._body()
        if fault == "reset":
            self._reset()
        elif fault == "stall":
            self.proxy.closed.wait(20)
            self.close_connection = True
        elif fault is not None and fault.isdigit():
            self._refuse(int(fault))
        else:
            self._forward(body, fault, request)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815  (names of the library)

    def _body(self) -> bytes:
        """The body of the request."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _forward(self, body: bytes, fault: Fault | None, request: Request) -> None:
        """Ask the server, and answer as it does, as far as the fault lets that through."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP | {"content-length", "expect"}:
                upstream.putheader(name, value)
        if body or self.command in {"PUT", "POST"}:
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if fault == "lost":
            self._reset()
            return
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(data) // 2
        if fault == "cut":
            self.wfile.write(data[:half])
            self._reset()
            return
        if fault == "slow":
            self.wfile.write(data[:half])
            self.wfile.flush()
            time.sleep(0.3)
            data = data[half:]
        self.wfile.write(data)

    def _refuse(self, status: int) -> None:
        """Answer with a status of failure, as S3 does."""
        codes = {500: "InternalError", 503: "SlowDown"}
        text = (
            f"<?xml version='1.0'?><Error><Code>{codes.get(status, 'Other')}</Code><Message>as told</Message></Error>"
        )
        data = b"" if self.command == "HEAD" else text.encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _reset(self) -> None:
        """Cut the connection, hard: what is not sent yet never is."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        raise ConnectionResetError
