"""HTTP on the loopback device: requests checked, handed on, and answered.

A thread for each connection, of which there are so many at most.
"""

from __future__ import annotations

import socket
import threading
import traceback
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nemo_curator.errors import CuratorError, InputError
from nemo_curator.report.serving.access import Asked, Gate
from nemo_curator.report.serving.questions import MOST_BODY
from nemo_curator.report.serving.refusal import RefusedError
from nemo_curator.report.serving.service import Answer, Service

ADDRESS = "127.0.0.1"
"""Nobody else's machine reaches it."""

_CONNECTIONS = 64
_SECONDS = 60.0  # that a connection may be silent,
_FAREWELL = 3.0  # and that it has to end
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Server(ThreadingHTTPServer):
    """Listens on this machine alone, from its construction on.

    Args:
        port: Where; 0 for any that is free.

    Raises:
        InputError: The port is taken, or may not be used.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = _CONNECTIONS

    def __init__(self, port: int) -> None:
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            raise InputError(
                "this port cannot be listened on",
                where=f"--port {port}",
                cause=cause,
                act="take another, or leave it out",
            ) from None
        self.gate = Gate(str(self.server_port))
        self.service: Service | None = None
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: dict[threading.Thread, Any] = {}  # by `_lock`
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, or none where there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        thread = threading.current_thread()
        with self._lock:
            self._open[thread] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[thread]
            self._free.release()

    def farewell(self) -> None:
        """Listen no more, end the connections that browsers keep open, and wait a little for their threads."""
        self.server_close()
        with self._lock:
            opened = dict(self._open)
            for request in opened.values():
                with suppress(OSError):  # it ended by itself
                    request.shutdown(socket.SHUT_RDWR)
        for thread in opened:
            thread.join(_FAREWELL)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no fault of anybody."""


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "imagecurator"
    sys_version = ""
    timeout = _SECONDS
    wbufsize = -1  # an answer leaves in one piece: in two, the second waits 40 ms until the first was acknowledged
    disable_nagle_algorithm = True
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def do_GET(self) -> None:  # noqa: N802 (its name in the standard library)
        self._answer("GET")

    def do_POST(self) -> None:  # noqa: N802 (its name in the standard library)
        self._answer("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the standard library)
        """Say nothing: paths hold tokens and what people look for."""

    def _answer(self, method: str) -> None:
        try:
            answer = self._answered(method)
        except RefusedError as error:
            self.close_connection = True  # whatever else was sent is not read as a further request
            answer = Answer.of({"error": error.sentence}, error.status)
        except (CuratorError, OSError) as error:
            answer = Answer.of({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
        except Exception as error:  # noqa: BLE001  a fault of ours costs one answer, and is told where the command was started
            traceback.print_exc()
            what = f"this failed in a way that nobody foresaw ({type(error).__name__}): please report it"
            answer = Answer.of({"error": what}, HTTPStatus.INTERNAL_SERVER_ERROR)
        self._send(answer)

    def _answered(self, method: str) -> Answer:
        body = self._body(method)
        try:
            parts = urlsplit(self.path)
            fields = parse_qs(parts.query, max_num_fields=20) if parts.path == "/" else {}
        except ValueError:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "this is no address") from None
        token, ticket = (fields.get(name, [""])[0] for name in ("token", "ticket"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.gate.check(Asked(method, parts.path, headers, token, ticket))
        service = self.server.service
        if service is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the run is still being read")
        return service.post(parts.path, body) if method == "POST" else service.get(parts.path, parts.query)

    def _body(self, method: str) -> bytes:
        """The body of a request, of which one of the usual kind has none."""
        length = self.headers.get("Content-Length", "" if method == "POST" else "0")
        if self.headers.get("Transfer-Encoding") or not (length.isascii() and length.isdigit()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "a change says how long it is")
        if len(length) > 12 or int(length) > (MOST_BODY if method == "POST" else 0):
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a change has {MOST_BODY:,} bytes at most")
        return self.rfile.read(int(length))

    def _send(self, answer: Answer) -> None:
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body)), "Cache-Control": "no-store"}
        if answer.kind.startswith("text/html") and self.server.service is not None:
            headers["Content-Security-Policy"] = f"{self.server.service.policy}; frame-ancestors 'none'"
            headers["Set-Cookie"] = self.server.gate.cookie
        else:
            headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        if self.close_connection:
            headers["Connection"] = "close"
        self.send_response(answer.status)
        for name, value in (_HEADERS | headers | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
