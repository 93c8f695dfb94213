"""Who is asked next: a few requests at a time to one host, and some time between them.

Of the thread of the event loop alone. A host is in one of four states: idle, waiting for its time (a timer), in the
queue of those whose turn it is, or busy with as many requests as it may have. Hosts without work are forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

Job = TypeVar("Job")


class _Host(Generic[Job]):
    """What is known of one host while there is work for it."""

    __slots__ = ("active", "delay", "gain", "is_ready", "name", "next_at", "timer", "turn", "waiting")

    def __init__(self, name: str, delay: float) -> None:
        self.name, self.delay = name, delay
        self.waiting: deque[Job | asyncio.Future[int]] = deque()
        self.active = 0
        self.next_at = 0.0
        self.turn = 0  # changes with what alone the last turn may take back: the time that it took
        self.gain = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.is_ready = False


class Manners(Generic[Job]):
    """Hands out jobs such that no host is asked too often.

    Args:
        per_host: Requests to one host at a time.
        delay: Seconds between the beginnings of two requests to it.
    """

    def __init__(self, per_host: int, delay: float) -> None:
        self._per_host, self._delay = per_host, delay
        self._hosts: dict[str, _Host[Job]] = {}
        self._ready: asyncio.Queue[_Host[Job]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def put(self, name: str, job: Job) -> None:
        """A job whose first request goes to a host."""
        host = self._host(name)
        host.waiting.append(job)
        self._turn(host)

    async def take(self) -> tuple[str, Job]:
        """The next host and job whose turn it is; the request may be sent at once, and `leave` says that it ended."""
        while True:
            host = await self._ready.get()
            host.is_ready = False
            if not self._may_begin(host) or isinstance(host.waiting[0], asyncio.Future):
                self._turn(host)
                continue
            job = host.waiting.popleft()
            self._begin(host)
            self._turn(host)
            return host.name, job  # type: ignore[return-value]  # no future: that was asked above

    async def enter(self, name: str) -> int:
        """Wait for a turn at another host, for a job under way; `leave` says that it ended.

        Args:
            name: The host.

        Returns:
            The turn, as `turn_of` tells it.
        """
        host, turn = self._host(name), self._loop.create_future()
        host.waiting.appendleft(turn)
        self._turn(host)
        try:
            return int(await turn)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(name)
            raise

    def turn_of(self, name: str) -> int:
        """The turn at a host that was given last.

        Args:
            name: The host, at which a job is under way.
        """
        return self._hosts[name].turn

    def leave(self, name: str, unused: int | None = None) -> None:
        """A job has nothing more to ask of a host.

        Args:
            name: The host.
            unused: The turn, where no request was sent in it: the next one need not wait because of it.
        """
        host = self._hosts[name]
        host.active -= 1
        if unused == host.turn:
            host.next_at -= host.gain
            host.gain = 0.0
            if host.timer is not None:
                host.timer.cancel()
                host.timer = None
        self._turn(host)
        self._loop.call_at(host.next_at, self._forget, host)

    async def pace(self, name: str) -> None:
        """Wait until a job under way may send a further request to the host that it is at."""
        host = self._hosts[name]
        at = max(self._loop.time(), host.next_at)
        host.next_at = at + host.delay
        host.turn += 1
        await asyncio.sleep(at - self._loop.time())

    def slow_down(self, name: str, delay: float) -> None:
        """A host wants more time between requests than is usual.

        Args:
            name: The host, at which a job is under way.
            delay: Seconds; less than is usual changes nothing.
        """
        host = self._hosts[name]
        if delay > host.delay:
            host.next_at += delay - host.delay
            host.delay = delay

    def hold_back(self, name: str, seconds: float) -> None:
        """A host, at which a job is under way, wants to be left alone for a while."""
        host = self._hosts[name]
        host.next_at = max(host.next_at, self._loop.time() + seconds)
        host.turn += 1

    def _host(self, name: str) -> _Host[Job]:
        if name not in self._hosts:
            self._hosts[name] = _Host(name, self._delay)
        return self._hosts[name]

    def _may_begin(self, host: _Host[Job]) -> bool:
        while host.waiting and isinstance(first := host.waiting[0], asyncio.Future) and first.cancelled():
            host.waiting.popleft()
        return bool(host.waiting) and host.active < self._per_host and host.next_at <= self._loop.time()

    def _begin(self, host: _Host[Job]) -> None:
        host.active += 1
        host.turn += 1
        before, host.next_at = host.next_at, self._loop.time() + host.delay
        host.gain = host.next_at - before

    def _turn(self, host: _Host[Job]) -> None:
        """Bring a host to the state that it should be in."""
        while self._may_begin(host) and isinstance(first := host.waiting[0], asyncio.Future):
            host.waiting.popleft()
            self._begin(host)
            first.set_result(host.turn)
        if host.is_ready or host.timer is not None or not host.waiting or host.active >= self._per_host:
            return
        if host.next_at > self._loop.time():
            host.timer = self._loop.call_at(host.next_at, self._due, host)
        else:
            host.is_ready = True
            self._ready.put_nowait(host)

    def _due(self, host: _Host[Job]) -> None:
        host.timer = None
        self._turn(host)

    def _forget(self, host: _Host[Job]) -> None:
        idle = not host.waiting and not host.active and host.timer is None and not host.is_ready
        if idle and host.next_at <= self._loop.time() and self._hosts.get(host.name) is host:
            del self._hosts[host.name]
