"""Names to addresses that may be connected to.

Of the thread of the event loop, apart from the question itself, which a few threads ask the system because that waits.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from nemo_curator.fetching.addresses import Network, parse_address, refusal
from nemo_curator.fetching.sockets import exhausted, own_error
from nemo_curator.fetching.statuses import Trouble

Ask = Callable[[str], Sequence[str]]
"""A name to its addresses as text; raises `OSError` where it has none. Called in threads of its own."""

_THREADS = 32
_REMEMBERED = 100_000  # names
_LONG, _SHORT = 300.0, 30.0  # seconds for which an answer, and a failure, is remembered
_TEMPORARY = {socket.EAI_AGAIN}


def ask_system(name: str) -> Sequence[str]:
    """The addresses of a name, as the system's resolver gives them.

    Args:
        name: A name of the internet in ASCII.

    Raises:
        OSError: It has none, or nobody could be asked.
    """
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Asks each name once in a while, and gives of its addresses those that may be connected to.

    Args:
        ask: Where addresses come from.
        allowed: Networks that are allowed though they are not public.
        patience: Seconds to wait for an answer.
    """

    def __init__(self, ask: Ask, allowed: Sequence[Network], patience: float) -> None:
        self._ask, self._allowed, self._patience = ask, allowed, patience
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        self._known: OrderedDict[str, tuple[float, float, tuple[str, ...] | Trouble]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[tuple[str, ...] | Trouble]] = {}

    async def addresses(self, host: str, failed: float = 0.0) -> tuple[str, ...]:
        """The addresses of a host that may be connected to, in the resolver's order; at least one.

        Args:
            host: A name, or an address as text.
            failed: When the URL failed last, by the clock of the event loop; no failure from before that is given.

        Raises:
            Trouble: `dns_failed`, or `private_address` where it has addresses and none may be connected to.
            CuratorError: This machine is at a limit of its own.
        """
        loop = asyncio.get_running_loop()
        told, until, answer = self._known.get(host, (0.0, 0.0, None))
        if answer is None or until < loop.time() or (isinstance(answer, Trouble) and told <= failed):
            if host not in self._asking:
                self._asking[host] = loop.create_task(self._look_up(host))
            answer = await asyncio.shield(self._asking[host])
        if isinstance(answer, Trouble):
            raise Trouble(answer.status, answer.reason)
        return answer

    async def _look_up(self, host: str) -> tuple[str, ...] | Trouble:
        loop = asyncio.get_running_loop()
        try:
            answer = await self._judged(host)
            long = _LONG if isinstance(answer, tuple) else _SHORT
            self._known[host] = (loop.time(), loop.time() + long, answer)
            self._known.move_to_end(host)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return answer
        finally:
            del self._asking[host]

    async def _judged(self, host: str) -> tuple[str, ...] | Trouble:
        if parse_address(host) is not None:
            found: Sequence[str] = [host]
        else:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, self._ask, host)
            try:
                found = await asyncio.wait_for(asked, self._patience)
            except TimeoutError:
                return Trouble("dns_failed", "the name of its host was not resolved in time")
            except (OSError, UnicodeError) as error:
                if own := own_error(error):
                    raise exhausted(own) from None
                again = getattr(error, "errno", None) in _TEMPORARY
                return Trouble("dns_failed", "the resolver failed" if again else "the name of its host has no address")
        reasons: list[str] = []
        allowed: list[str] = []
        for text in found:
            address = parse_address(text)
            why = "an address that cannot be read" if address is None else refusal(address, self._allowed)
            (reasons if why else allowed).append(why or text)
        if allowed:
            return tuple(allowed)
        if not reasons:
            return Trouble("dns_failed", "the name of its host has no address")
        return Trouble("private_address", f"its host has {reasons[0]}")

    def close(self) -> None:
        """Ask nothing more; a question under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
