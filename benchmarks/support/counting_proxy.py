"""A proxy before an object store that passes everything on, and counts what a bill counts.

Each connection has a thread of its own; the counts belong to all of them, behind one lock.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .object_proxy import PassingHandler, passing
from .request_kinds import kind_and_key


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


@contextlib.contextmanager
def before(port: int) -> Iterator[Proxy]:
    """A proxy before a port of this machine, until the block ends."""
    proxy = Proxy()

    class Handler(PassingHandler):
        """Counts for this proxy."""

        def deal(self, body: bytes) -> None:
            """Pass the request on, and count it when it is answered."""
            answer = self.ask_server(body)
            kind, key = kind_and_key(self.command, self.path, self.headers.get("Range", ""))
            proxy.passed(key, kind, answer.status, len(body), len(answer.data))
            self.answer_as(answer)

    with passing(port, Handler) as proxy.endpoint:
        yield proxy
