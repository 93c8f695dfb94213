"""One URL to its image: through redirects, each of which is checked like the first URL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from nemo_curator.fetching.exchange import Answer, Exchange
from nemo_curator.fetching.manners import Manners
from nemo_curator.fetching.opt_outs import opt_out
from nemo_curator.fetching.resolving import Resolver
from nemo_curator.fetching.robots import MOST, Robots
from nemo_curator.fetching.settings import FetchSettings
from nemo_curator.fetching.statuses import OK, Outcome, Trouble
from nemo_curator.fetching.urls import Target, follow
from nemo_curator.kernels.sniff import looks_like, sniff
from nemo_curator.redaction import redacted

_REDIRECTS = {301, 302, 303, 307, 308}
_PACKED = {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"}
_SHOWN = 200  # characters of a header that are kept
_FORBIDDEN = {401, 402, 403, 407, 451}
_BUSY = {429, 503}


class Visit:
    """The requests for one URL, one after the other: at one host at a time, with its turn held there.

    Args:
        manners: Who gives turns.
        host: The host whose turn is held, with which the first request may be sent at once.
    """

    def __init__(self, manners: Manners[Any], host: str) -> None:
        self._manners, self.host = manners, host
        self._turn = manners.turn_of(host)
        self._fresh = True

    async def go(self, host: str) -> None:
        """Be at a host, by giving up the turn at another one if need be."""
        if host != self.host:
            self.leave()
            self._turn = await self._manners.enter(host)
            self.host, self._fresh = host, True

    async def pace(self) -> None:
        """Wait until the next request may be sent."""
        if not self._fresh:
            await self._manners.pace(self.host)
        self._fresh = False

    def leave(self) -> None:
        """Give up the turn, if one is held; one in which nothing was asked costs the host's next job no time."""
        if self.host:
            self._manners.leave(self.host, self._turn if self._fresh else None)
            self.host = ""


class Follower:
    """Fetches images.

    Args:
        exchange: Sends requests.
        resolver: Says which hosts may be asked.
        manners: Says when.
        settings: Limits.
    """

    def __init__(self, exchange: Exchange, resolver: Resolver, manners: Manners[Any], settings: FetchSettings) -> None:
        self._exchange, self._resolver, self._manners, self._settings = exchange, resolver, manners, settings
        self._robots = Robots[Visit](self._read_robots, settings.token) if settings.robots else None

    def reading(self, target: Target) -> asyncio.Task[Any] | None:
        """The task that reads the robots.txt of a URL's site for another URL; None where none does, or it is ignored.

        Args:
            target: The URL.
        """
        return None if self._robots is None else self._robots.reading(target)

    async def image(self, target: Target, visit: Visit, tried: int, failed: float = 0.0) -> tuple[Outcome, Answer]:
        """Fetch the image at a URL.

        Args:
            target: The URL.
            visit: Holds a turn at its host.
            tried: How often it was tried before.
            failed: When it failed last, by the clock of the event loop; what failed before that is asked again.

        Returns:
            The outcome, which is `ok`, and the answer, whose body the caller closes.

        Raises:
            Trouble: Why there is none.
        """
        began = time.monotonic()
        last, hops, answer = await self._through(target, visit, failed)
        final_url = redacted(last.text) if hops else ""
        content_type = _shown(answer.headers.get("Content-Type", ""))
        robots_tag = _shown(", ".join(answer.headers.getall("X-Robots-Tag", [])))
        try:
            self._judge(answer)
        except Trouble as trouble:
            trouble.final_url, trouble.redirects = final_url, hops
            trouble.content_type, trouble.robots_tag = content_type, robots_tag
            answer.body.close()
            raise
        outcome = Outcome(
            OK,
            http_status=answer.status,
            final_url=final_url,
            redirects=hops,
            content_type=content_type,
            robots_tag=robots_tag,
            image_format=sniff(answer.body.head) or "",
            size=answer.body.size,
            sha256=answer.body.sha256,
            attempts=tried + 1,
            at=time.time(),
            seconds=time.monotonic() - began,
        )
        return outcome, answer

    async def _through(self, target: Target, visit: Visit, failed: float) -> tuple[Target, int, Answer]:
        """Where the redirects of an image end, how many there were, and the answer there."""
        seen: set[str] = set()
        while True:
            try:
                answer = await self._asked(target, visit, failed)
                seen.add(target.text)
                if answer.status not in _REDIRECTS:
                    return target, len(seen) - 1, answer
                answer.body.close()
                target = self._next(target, answer, seen, self._settings.redirects)
            except Trouble as trouble:
                trouble.redirects = len(seen)
                trouble.final_url = redacted(target.text) if seen else ""
                raise

    async def _asked(self, target: Target, visit: Visit, failed: float) -> Answer:
        """The answer to one request for an image, after all that has to be asked before it."""
        await visit.go(target.host)
        await self._resolver.addresses(target.host, failed)
        await self._obey(target, visit, failed)
        await visit.pace()
        return await self._exchange.get(target, self._settings.max_bytes, self._wanted)

    def _next(self, target: Target, answer: Answer, seen: set[str], most: int) -> Target:
        location = answer.headers.get("Location")
        if not location:
            raise Trouble("bad_response", "it redirects, and does not say where to", http_status=answer.status)
        found = follow(target, location)
        if found.text in seen:
            raise Trouble("redirect_loop", "it redirects to where it came from", http_status=answer.status)
        if len(seen) > most:
            raise Trouble("too_many_redirects", f"it redirects more than {most} times", http_status=answer.status)
        return found

    async def _obey(self, target: Target, visit: Visit, failed: float) -> None:
        """Do what the site's robots.txt says."""
        if self._robots is None:
            return
        while (reading := self._robots.reading(target)) is not None:  # for another row, without whose turn it waits
            visit.leave()
            await asyncio.wait([reading])
            await visit.go(target.host)
        delay = await self._robots.check(target, visit, failed)
        if delay > self._settings.longest_wait:
            raise Trouble(
                "robots_disallowed", f"{target.origin}/robots.txt asks for {delay:g} seconds between requests"
            )
        await visit.go(target.host)  # from where its robots.txt is
        self._manners.slow_down(visit.host, delay)

    async def _read_robots(self, place: Target, failed: float, visit: Visit) -> tuple[int, bytes]:
        """A robots.txt, through redirects, each within a turn at the host that is asked."""
        seen: set[str] = set()
        target = place
        try:
            while True:
                await visit.go(target.host)
                await self._resolver.addresses(target.host, failed)
                await visit.pace()
                answer = await self._exchange.get(target, MOST, lambda status, _: 200 <= status < 300)
                data = b"".join(answer.body.pieces())
                answer.body.close()
                if answer.status == 429 or answer.status >= 500:
                    raise _said_no(answer.status, answer.headers)
                if answer.status not in _REDIRECTS:
                    return answer.status, data
                seen.add(target.text)
                target = self._next(target, answer, seen, self._settings.redirects)
        except Trouble as trouble:
            trouble.redirects = len(seen)
            raise

    def _wanted(self, status: int, headers: Any) -> bool:
        """Whether the body of an answer may be an image that may be used."""
        return status == 200 and not self._forbidden(headers) and _packing(headers) not in _PACKED

    def _forbidden(self, headers: Any) -> str:
        return opt_out(
            headers.getall("X-Robots-Tag", []),
            headers.getall("TDM-Reservation", []),
            self._settings.token,
            self._settings.opt_outs,
        )

    def _judge(self, answer: Answer) -> None:
        """Whether an answer is an image.

        Raises:
            Trouble: It is none, with the reason.
        """
        status = answer.status
        if status != 200:
            raise _said_no(status, answer.headers)
        if why := self._forbidden(answer.headers):
            raise Trouble("opted_out", why, http_status=status)
        packing = _packing(answer.headers)
        if packing in _PACKED:
            raise Trouble(
                "encoded", f"the answer is compressed ({packing}), though that was not asked for", http_status=200
            )
        if not answer.whole:
            most = self._settings.max_bytes
            raise Trouble("too_large", f"it has more than {most:,} bytes", http_status=status)
        if not answer.body.size:
            raise Trouble("empty", "the answer has no bytes", http_status=status)
        if sniff(answer.body.head) is None:
            what = looks_like(answer.body.head)
            look = f", but look like {what}" if what else ""
            raise Trouble("not_an_image", f"its first bytes are of no known image format{look}", http_status=status)


def _packing(headers: Any) -> str:
    return str(headers.get("Content-Encoding", "")).strip().lower()


def _shown(text: str) -> str:
    """A header as it may be stored: printable, and not long."""
    return "".join(one if one.isprintable() and not "\ud800" <= one <= "\udfff" else "?" for one in text[:_SHOWN])


def _said_no(status: int, headers: Any) -> Trouble:
    """The trouble of an answer that is no 200."""
    wait = _retry_after(headers.get("Retry-After", "")) if status in _BUSY else None
    words: tuple[tuple[Callable[[int], bool], str], ...] = (
        (lambda one: one in {404, 410}, "not_found"),
        (lambda one: one in _FORBIDDEN, "forbidden"),
        (lambda one: one == 429, "too_many_requests"),
        (lambda one: 500 <= one < 600, "server_error"),
    )
    word = next((word for fits, word in words if fits(status)), "http_error")
    return Trouble(word, f"the server answers {status}", http_status=status, wait=wait)


def _retry_after(text: str) -> float | None:
    """The seconds that a server wants to be left alone; None where it does not say so in a way that is known."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
