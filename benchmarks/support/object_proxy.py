"""A proxy before a server of this machine that passes everything on: what it does besides, its handler says.

Each connection has a thread of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP = {"connection", "keep-alive", "transfer-encoding", "proxy-connection", "te", "trailer", "upgrade"}


@dataclass(frozen=True)
class Answer:
    """What the server answered.

    Attributes:
        status: Its status.
        reason: Its words.
        headers: Its headers, in order.
        data: Its body.
    """

    status: int
    reason: str
    headers: list[tuple[str, str]]
    data: bytes


class PassingHandler(BaseHTTPRequestHandler):
    """Passes requests on."""

    protocol_version = "HTTP/1.1"
    port: int

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Bear clients that leave."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def _deal(self) -> None:
        self.deal(self._body())

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _deal  # noqa: N815 (names of the library)

    def deal(self, body: bytes) -> None:
        """Do what there is to do with a request.

        Args:
            body: Its body.
        """
        self.answer_as(self.ask_server(body))

    def ask_server(self, body: bytes) -> Answer:
        """What the server says to this request."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # `Host` too: the client has signed it
            if name.lower() not in _HOP | {"content-length", "expect"}:
                upstream.putheader(name, value)
        if body or self.command in {"PUT", "POST"}:
            upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body or None)
        found = upstream.getresponse()
        answer = Answer(found.status, found.reason, found.getheaders(), found.read())
        upstream.close()
        return answer

    def answer_as(self, answer: Answer) -> None:
        """Answer the client as the server did."""
        self.send_response_only(answer.status, answer.reason)
        length = str(len(answer.data))
        for name, value in answer.headers:
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
            elif name.lower() == "content-length" and self.command == "HEAD":
                length = value
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.write_body(answer.data)

    def write_body(self, data: bytes) -> None:
        """Hand a body on."""
        self.wfile.write(data)

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


@contextlib.contextmanager
def passing(port: int, handler: type[PassingHandler]) -> Iterator[str]:
    """The address of a proxy before a port of this machine, until the block ends.

    Args:
        port: Of the server.
        handler: What deals with requests; a class of this proxy's own, for it is told the port.
    """
    handler.port = port
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
