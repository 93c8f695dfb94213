"""One request and its answer over HTTP, within limits; the connection goes to an address that was checked.

aiohttp asks our resolver for addresses at the moment at which it connects, and connects to exactly these; every socket
is made by us, which checks its address once more. So there is no time between the check and the connection in which a
name could get another address.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nemo_curator import storage
from nemo_curator._optional import require
from nemo_curator.errors import CuratorError
from nemo_curator.fetching.resolving import Resolver
from nemo_curator.fetching.settings import FetchSettings
from nemo_curator.fetching.sockets import RefusedError, Sockets
from nemo_curator.fetching.statuses import Trouble
from nemo_curator.fetching.urls import Target
from nemo_curator.kernels.sniff import HEAD_BYTES

if TYPE_CHECKING:
    import aiohttp

_BUFFER = 1 << 17
_HEADERS, _FIELD = 128, 8190  # headers of an answer, and bytes of one
_PIECE = 1 << 20
_NO_HTTP = "the answer is no valid HTTP"
_KEPT_ALIVE = 1.0  # seconds for which an idle connection may be used again


class Body:
    """The bytes of an answer, as they came; long ones are in a temporary file, which is gone when this is closed.

    Args:
        in_memory: Bytes beyond which it is long.
    """

    def __init__(self, in_memory: int) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115  closed by `close`
        self._digest = hashlib.sha256()
        self.size = 0
        self.head = b""
        """The first bytes, as many as tell what it is."""

    @property
    def sha256(self) -> str:
        """Hash of all bytes, in hex."""
        return self._digest.hexdigest()

    def add(self, data: bytes) -> None:
        """Append bytes."""
        if self.size < HEAD_BYTES:
            self.head = (self.head + data)[:HEAD_BYTES]
        try:
            self._file.write(data)
        except OSError as error:
            raise storage.storage_error(tempfile.gettempdir(), error) from error
        self._digest.update(data)
        self.size += len(data)

    def pieces(self) -> Iterator[bytes]:
        """All bytes, a MiB at a time."""
        self._file.seek(0)
        while data := self._file.read(_PIECE):
            yield data

    def close(self) -> None:
        """Give the bytes up."""
        self._file.close()


@dataclass(slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: The number.
        headers: All of them, with `get` and `getall` that do not heed upper case.
        body: What was read of it; empty where nobody wanted it.
        whole: False where it has more bytes than were asked for.
    """

    status: int
    headers: Any
    body: Body
    whole: bool = True


class Exchange:
    """Sends requests; see `open_exchange`.

    Args:
        keeping: An open session of aiohttp that keeps connections for the next request.
        closing: One that closes each at the end of its request.
        sockets: Those of both.
        settings: Limits.
        in_memory: Bytes of an answer under way that are held in memory.
    """

    def __init__(
        self,
        keeping: aiohttp.ClientSession,
        closing: aiohttp.ClientSession,
        sockets: Sockets,
        settings: FetchSettings,
        in_memory: int,
    ) -> None:
        self._in_memory = in_memory
        self._keeping, self._closing, self._sockets, self._settings = keeping, closing, sockets, settings
        self._yarl: Any = require("yarl", extra="fetch", purpose="Fetching URLs")
        self._failures = _Failures()

    async def get(self, target: Target, most: int, wanted: Callable[[int, Any], bool]) -> Answer:
        """Ask for a URL; redirects are answers like any other.

        Args:
            target: What is asked for.
            most: Bytes of the body that are read at most.
            wanted: Told the status and the headers; whether the body is read.

        Raises:
            Trouble: There is no whole answer, with the status that this is.
            CuratorError: This machine has no room for it, or cannot open more connections.
        """
        body = Body(self._in_memory)
        try:
            async with asyncio.timeout(self._settings.total_time):
                return await self._answer(target, most, wanted, body)
        except TimeoutError as error:
            body.close()
            if self._failures.is_silence(error):
                raise self._failures.told(error) from None
            raise Trouble("too_slow", "the whole answer took longer than is waited") from None
        except CuratorError:  # no room on this machine, which is no answer of a server
            body.close()
            raise
        except Exception as error:  # noqa: BLE001  whatever a stranger's server brings about is its answer
            body.close()
            raise self._sockets.own_failure(error) or self._failures.told(error) from None
        except BaseException:
            body.close()
            raise

    async def _answer(self, target: Target, most: int, wanted: Callable[[int, Any], bool], body: Body) -> Answer:
        url = self._yarl.URL(target.text, encoded=True)
        # as many are kept as may be under way, so that at most twice as many are open, however many hosts there are
        session = self._keeping if self._sockets.open < self._settings.connections else self._closing
        async with session.get(url, allow_redirects=False) as reply:
            answer = Answer(reply.status, reply.headers, body)
            if not wanted(reply.status, reply.headers):
                reply.close()  # what it still sends is not waited for
                return answer
            length = reply.content_length
            answer.whole = length is None or length <= most
            if answer.whole:
                with _ends_with_its_connection(reply):
                    async for data in reply.content.iter_any():
                        if body.size + len(data) > most:
                            answer.whole = False
                            body.add(data[: most - body.size])
                            break
                        body.add(data)
            if not answer.whole:
                reply.close()
            return answer


@contextmanager
def _ends_with_its_connection(reply: Any) -> Iterator[None]:
    """Let a body end when its connection does.

    aiohttp 3.14 closes a connection whose chunks make no sense without a word to who reads them, and drops the limit of
    silence too, so that they would wait until the whole answer took too long.
    """
    if reply.connection is None:  # the body is there to its end
        yield
        return

    def end(_: Any = None) -> None:
        if not reply.content.is_eof() and reply.content.exception() is None:
            reply.content.set_exception(Trouble("bad_response", _NO_HTTP))

    closed = reply.connection.protocol.closed
    if closed is None:  # it is closed already, and nobody will say so any more
        end()
        yield
        return
    closed.remove_done_callback(_heard)
    closed.add_done_callback(_heard)  # once a connection, for asyncio tells of errors that nobody looked at
    closed.add_done_callback(end)
    try:
        yield
    finally:
        closed.remove_done_callback(end)  # a connection outlives its answers


def _heard(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended."""
    if not closed.cancelled():
        closed.exception()


class _Failures:
    """What aiohttp raises, in our words, which hold nothing that differs between two machines."""

    def __init__(self) -> None:
        self._aiohttp: Any = require("aiohttp", extra="fetch", purpose="Fetching URLs")

    def is_silence(self, error: BaseException) -> bool:
        """Whether a server was silent for too long, as opposed to slow altogether."""
        return isinstance(error, self._aiohttp.ServerTimeoutError)

    def told(self, error: Exception) -> Trouble:
        """The trouble that an error is."""
        refused = getattr(error, "os_error", None)
        if isinstance(error, Trouble):
            return error
        if isinstance(refused, RefusedError):
            return Trouble(refused.trouble.status, refused.trouble.reason)
        names = self._aiohttp
        kinds: tuple[tuple[Any, str, str], ...] = (
            (names.ServerTimeoutError, "timeout", "the server was silent for too long"),
            (names.ClientConnectorCertificateError, "tls_error", "the certificate of the server is not valid"),
            ((names.ClientSSLError, ssl.SSLError), "tls_error", "the server does not speak TLS as it should"),
            (names.ClientConnectorDNSError, "dns_failed", "the name of its host has no address"),
            (names.ClientConnectorError, "connect_failed", "no connection could be made"),
        )
        found = next(((status, reason) for kind, status, reason in kinds if isinstance(error, kind)), None)
        return Trouble(*found) if found else self._broken(error)

    def _broken(self, error: Exception) -> Trouble:
        """The trouble of a connection that stood."""
        names, parsing = self._aiohttp, self._aiohttp.http_exceptions
        cause = error.__cause__
        is_length = isinstance(cause, parsing.ContentLengthError)
        if isinstance(error, names.ClientResponseError) or (
            isinstance(cause, parsing.BadHttpMessage) and not is_length and not self._is_cut_off(cause)
        ):
            return Trouble("bad_response", _NO_HTTP)
        if isinstance(error, names.ClientError | OSError):
            return Trouble("connection_lost", "the connection broke before the answer was whole")
        return Trouble("bad_response", f"the answer cannot be read ({type(error).__name__})")

    def _is_cut_off(self, cause: BaseException) -> bool:
        """Whether a body in chunks ended early, which aiohttp tells like chunks that make no sense."""
        return isinstance(cause, self._aiohttp.http_exceptions.TransferEncodingError) and "Not enough data" in str(
            cause
        )


@asynccontextmanager
async def open_exchange(settings: FetchSettings, resolver: Resolver, in_memory: int) -> AsyncIterator[Exchange]:
    """An exchange, whose connections are closed at the end.

    No proxy and no file of passwords is taken from the environment, cookies are not kept, and nothing is unpacked.

    Args:
        settings: Limits, and what servers are told of us.
        resolver: Gives the addresses that are connected to.
        in_memory: Bytes of an answer under way that are held in memory.

    Raises:
        MissingExtraError: aiohttp is not installed.
    """
    sockets = Sockets(settings.networks)
    async with (
        _session(settings, resolver, sockets, keepalive_timeout=_KEPT_ALIVE) as keeping,
        _session(settings, resolver, sockets, force_close=True) as closing,
    ):
        yield Exchange(keeping, closing, sockets, settings, in_memory)


def _session(settings: FetchSettings, resolver: Resolver, sockets: Sockets, **kept: Any) -> Any:
    """A session of aiohttp.

    Args:
        settings: Limits, and what servers are told of us.
        resolver: Gives the addresses that are connected to.
        sockets: Makes the sockets.
        kept: Whether and how long connections are kept, as aiohttp's connector takes it.
    """
    aiohttp: Any = require("aiohttp", extra="fetch", purpose="Fetching URLs")
    connector = aiohttp.TCPConnector(
        limit=0,  # bounded by who asks
        resolver=_resolver_of(resolver),
        use_dns_cache=False,  # ours knows what may be connected to
        socket_factory=sockets,
        **kept,
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": settings.user_agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.timeout, sock_read=settings.timeout),
        auto_decompress=False,
        trust_env=False,
        read_bufsize=_BUFFER,
        max_line_size=_FIELD,
        max_field_size=_FIELD,
        max_headers=_HEADERS,
    )


def _resolver_of(resolver: Resolver) -> Any:
    """Our resolver, as aiohttp wants one."""
    abc: Any = require("aiohttp.abc", extra="fetch", purpose="Fetching URLs")

    class Checked(abc.AbstractResolver):  # type: ignore[misc]  # its class is known when it is installed
        async def resolve(
            self,
            host: str,
            port: int = 0,
            family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002  both are taken
        ) -> list[dict[str, Any]]:
            try:
                found = await resolver.addresses(host)
            except Trouble as trouble:
                raise RefusedError(trouble) from None
            return [
                {
                    "hostname": host,
                    "host": one,
                    "port": port,
                    "family": socket.AF_INET6 if ":" in one else socket.AF_INET,
                    "proto": 0,
                    "flags": socket.AI_NUMERICHOST,
                }
                for one in found
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return Checked()
