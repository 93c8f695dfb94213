"""A proxy before a server that counts what passes, and fails when it is told to: real sockets, no mocks."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from benchmarks.support.object_proxy import PassingHandler, passing


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

    def came(self, method: str, target: str, span: str) -> Fault | None:
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
        return fault

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

    Handler.proxy = proxy
    with passing(port, Handler) as proxy.endpoint:
        try:
            yield proxy
        finally:
            proxy.closed.set()


class _Handler(PassingHandler):
    """Passes requests on, or fails."""

    proxy: Proxy
    fault: Fault | None

    def deal(self, body):
        """Write a request down, and do what its schedule says."""
        self.fault = self.proxy.came(self.command, self.path, self.headers.get("Range", ""))
        if self.fault == "reset":
            self._reset()
        elif self.fault == "stall":
            self.proxy.closed.wait(20)
            self.close_connection = True
        elif self.fault is not None and self.fault.isdigit():
            self._refuse(int(self.fault))
        else:
            answer = self.ask_server(body)
            if self.fault == "lost":
                self._reset()
            self.answer_as(answer)

    def write_body(self, data):
        """Hand a body on, as far as the fault lets it through."""
        half = len(data) // 2
        if self.fault == "cut":
            self.wfile.write(data[:half])
            self._reset()
        if self.fault == "slow":
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
