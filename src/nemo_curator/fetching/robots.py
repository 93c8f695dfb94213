"""robots.txt as RFC 9309 has it: once for each origin, parsed by Protego, remembered for a day.

Of the thread of the event loop alone, apart from work on files that are large.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from nemo_curator._optional import require
from nemo_curator.fetching.statuses import Trouble
from nemo_curator.fetching.urls import Target

MOST = 500 * 1024
"""Bytes of a robots.txt that are read; the rest is not heeded (RFC 9309, 2.5)."""

_DAY = 86_400.0
_SOON = 60.0  # seconds after which a site that failed is asked again
_ORIGINS, _ROOM = 50_000, 256 << 20  # origins, and bytes that their rules take, that are remembered
_RULE = 1000  # bytes that a line takes when it is parsed, about
_LARGE = 200_000  # bytes of rules whose work is done in another thread
_AGENT = re.compile(r"\s*user(-|\s+)?agent(\s*:|\s)(.*)", re.IGNORECASE)
_OTHERS = "User-agent: /"  # no crawler's name holds a slash

Turn = TypeVar("Turn")
Read = Callable[[Target, float, Turn], Awaitable[tuple[int, bytes]]]
"""A robots.txt, when its URL failed last, and the turn at its host, which goes on with each redirect to another one, to
the status and the bytes that its site answers; raises `Trouble`, also where the site says that it is busy or broken."""


@dataclass(slots=True)
class _Rules:
    """What is known of an origin.

    Attributes:
        parsed: Protego's parser; None where all is allowed.
        trouble: Why nothing may be asked, or None.
        told: When it was known, by the clock of the event loop.
        until: When it is asked for again.
        size: Bytes that it takes, about.
    """

    parsed: Any = None
    trouble: Trouble | None = None
    told: float = 0.0
    until: float = 0.0
    size: int = 0


class Robots(Generic[Turn]):
    """Says what may be asked for.

    Args:
        read: How a robots.txt is read.
        token: Our name as a crawler, lower case.
    """

    def __init__(self, read: Read[Turn], token: str) -> None:
        self._read, self._token = read, token
        self._starts = [at for at in range(len(token)) if not at or not _joined(token[at - 1])]
        self._protego: Any = require("protego", extra="fetch", purpose="Reading robots.txt")
        self._known: OrderedDict[str, _Rules] = OrderedDict()
        self._reading: dict[str, asyncio.Task[_Rules]] = {}
        self._size = 0

    def reading(self, target: Target) -> asyncio.Task[_Rules] | None:
        """The task that reads the robots.txt of a URL's site just now, for who asked first; None where none does."""
        return self._reading.get(target.origin)

    def is_known(self, target: Target, failed: float = 0.0) -> bool:
        """Whether the site of a URL need not be asked.

        Args:
            target: The URL.
            failed: When it failed last, by the clock of the event loop; no failure from before that counts.
        """
        known = self._known.get(target.origin)
        if known is None or known.until <= asyncio.get_running_loop().time():
            return False
        return known.trouble is None or known.told > failed

    async def check(self, target: Target, turn: Turn, failed: float = 0.0) -> float:
        """The seconds that the site wants between two requests, 0 where it does not say.

        Args:
            target: The URL.
            turn: A turn at its host; it may be at another one afterwards, to which a robots.txt redirected.
            failed: As `is_known` takes it.

        Raises:
            Trouble: `robots_disallowed`, `robots_unreachable`, or why the site cannot be reached at all.
        """
        rules = await self._rules(target, turn, failed)
        if (why := rules.trouble) is not None:
            passed = asyncio.get_running_loop().time() - rules.told
            wait = None if why.wait is None else max(0.0, why.wait - passed)
            raise Trouble(why.status, why.reason, wait=wait, at_once=why.at_once)
        if rules.parsed is None:
            return 0.0
        work = asyncio.to_thread if rules.size > _LARGE else _here
        if not await work(rules.parsed.can_fetch, target.text, self._token):
            raise Trouble("robots_disallowed", f"{target.origin}/robots.txt disallows it")
        return float(rules.parsed.crawl_delay(self._token) or 0.0)

    async def _rules(self, target: Target, turn: Turn, failed: float) -> _Rules:
        loop, origin = asyncio.get_running_loop(), target.origin
        if self.is_known(target, failed):
            self._known.move_to_end(origin)
            return self._known[origin]
        if origin not in self._reading:
            self._reading[origin] = loop.create_task(self._asked(target, turn, failed))
        return await asyncio.shield(self._reading[origin])

    async def _asked(self, target: Target, turn: Turn, failed: float) -> _Rules:
        origin = target.origin
        try:
            rules = await self._answered(Target(target.scheme, target.host, target.port, "/robots.txt"), turn, failed)
        finally:
            del self._reading[origin]
        rules.told = asyncio.get_running_loop().time()
        rules.until = rules.told + (_DAY if rules.trouble is None else _SOON)
        self._forget(origin)
        self._known[origin] = rules
        self._size += rules.size
        while len(self._known) > _ORIGINS or (self._size > _ROOM and len(self._known) > 1):
            self._forget(next(iter(self._known)))
        return rules

    def _forget(self, origin: str) -> None:
        gone = self._known.pop(origin, None)
        self._size -= gone.size if gone else 0

    async def _answered(self, place: Target, turn: Turn, failed: float) -> _Rules:
        try:
            status, data = await self._read(place, failed, turn)
        except Trouble as trouble:
            same = trouble.status in {"private_address", "dns_failed", "connect_failed", "tls_error"}
            if same and not trouble.redirects:
                return _Rules(trouble=trouble)  # the image could not be had either, for the same reason
            if trouble.status in {"too_many_redirects", "redirect_loop"}:
                return _Rules()  # as one that is not there (RFC 9309, 2.3.1.2)
            why = f"{place.text}: {trouble.reason}"
            return _Rules(trouble=Trouble("robots_unreachable", why, wait=trouble.wait, at_once=trouble.at_once))
        if 200 <= status < 300:
            return await (asyncio.to_thread if len(data) > _LARGE // 10 else _here)(self._parsed, data)
        if 400 <= status < 500:
            return _Rules()
        return _Rules(trouble=Trouble("robots_unreachable", f"{place.text} answers {status}", at_once=False))

    def _parsed(self, data: bytes) -> _Rules:
        """The rules of a file, in which all other crawlers are one: many names times many rules would be many."""
        lines = [self._for_us(line) for line in data.decode("utf-8", "replace").splitlines()]
        size = len(data) + _RULE * len(lines)
        return _Rules(self._protego.Protego.parse("\n".join(lines)), size=size)

    def _for_us(self, line: str) -> str:
        found = _AGENT.match(line)
        name = found[3].split("#", 1)[0].replace("*", "").strip().lower() if found else ""
        return line if not name or any(self._token.startswith(name, at) for at in self._starts) else _OTHERS


def _joined(letter: str) -> bool:
    """Whether a name goes on behind a letter."""
    return letter.isalnum() or letter in "-_"


async def _here(work: Callable[..., Any], *given: Any) -> Any:
    """Do something at once, as `asyncio.to_thread` does it elsewhere."""
    return work(*given)
