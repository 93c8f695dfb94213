"""A proxy before an object store that passes everything on, and counts what a bill counts.

Each connection has a thread of its own; the counts belong to all of them, behind one lock.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

KINDS = ("GET", "GET range", "HEAD", "LIST", "PUT", "multipart", "POST", "DELETE")
"""Kinds of request: a GET of a whole file or of a range, one page of a listing, a step of an upload in parts, …"""

_HOP = {"connection", "keep-alive", "transfer-encoding", "proxy-connection", "te", "trailer", "upgrade"}


@dataclass
class Counts:
    """What passed.

    Attributes:
        requests: (key or prefix, kind) to how many requests came.
        missed: The same of those that were answered by 404.
        sent: Key to bytes of bodies from the client.
        received: Key to bytes of bodies to the client.
    """

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)


@dataclass
class Proxy:
    """A proxy at work.

    Attributes:
        endpoint: Its address.
        counts: What passed since it was asked last.
    """

    endpoint: str = ""
    counts: Counts = field(default_factory=Counts)
    _lock: Any = field(default_factory=threading.Lock)

    def passed(self, key: str, kind: str, status: int, sent: int, received: int) -> None:
        """Write down a request that was answered."""
        with self._lock:
            self.counts.requests[key, kind] += 1
            self.counts.missed[key, kind] += status == 404
            self.counts.sent[key] += sent
            self.counts.received[key] += received

    def take(self) -> Counts:
        """What passed since the last time."""
        with self._lock:
            taken, self.counts = self.counts, Counts()
        return taken


def kind_and_key(method: str, target: str, span: str) -> tuple[str, str]:
    """(kind of a request, bucket and key or prefix).

    Args:
        method: GET, PUT …
        target: Path and query as they were asked for.
        span: The header `Range`, or "".
    """
    path, _, query = target.partition("?")
    said = parse_qs(query, keep_blank_values=True)
    key = unquote(path).strip("/")
    if method == "GET" and ("list-type" in said or "prefix" in said):
        return "LIST", f"{key}/{said.get('prefix', [''])[0]}".rstrip("/")
    if "uploadId" in said or "uploads" in said:
        return "multipart", key
    return ("GET range" if method == "GET" and span else method), key


@contextlib.contextmanager
def before(port: int) -> Iterator[Proxy]:
    """A proxy before a port of this machine, until the block ends."""
    proxy = Proxy()

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
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Passes requests on."""

    protocol_version = "HTTP/1.1"
    proxy: Proxy
    port: int

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Bear clients that leave."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def _pass(self) -> None:
        body = self._body()
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # `Host` too: the client has signed it
            if name.lower() not in _HOP | {"content-length", "expect"}:
                upstream.putheader(name, value)
        if body or self.command in {"PUT", "POST"}:
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body or None)
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        kind, key = kind_and_key(self.command, self.path, self.headers.get("Range", ""))
        self.proxy.passed(key, kind, answer.status, len(body), len(data))
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815 (names of the library)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)
