"""What went wrong with a storage elsewhere: every client has errors of its own, and there are few things to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from enum import Enum
from typing import Any

MISSING_BUCKET = "the bucket does not exist"


class Trouble(Enum):
    """What to do about an error."""

    MISSING = "missing"
    """There is no such file."""
    BEYOND = "beyond"
    """There is one, and it ends before the bytes that were asked for."""
    EXISTS = "exists"
    """There is one already, and it should not be."""
    DENIED = "denied"
    """The credentials do not permit it, or there are none."""
    PASSING = "passing"
    """Another try may go well."""
    SILENT = "silent"
    """Nobody answers at that address; another try may go well if somebody ever did."""
    LASTING = "lasting"
    """Another try would go the same way."""


_PASSING = {408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524, 529, 598, 599}
_BY_STATUS = {
    401: Trouble.DENIED,
    403: Trouble.DENIED,
    407: Trouble.DENIED,
    404: Trouble.MISSING,
    410: Trouble.MISSING,
    412: Trouble.EXISTS,
    416: Trouble.BEYOND,
}
_PASSING_CODES = {"RequestTimeout", "SlowDown", "ServiceUnavailable", "InternalError", "OperationAborted"}
_PASSING_CODES |= {"RequestTimeTooSkewed", "Throttling", "ThrottlingException", "IncompleteBody", "BadDigest"}
_PASSING_CODES |= {"XAmzContentSHA256Mismatch"}
_EXISTING_CODES = {"PreconditionFailed", "ConditionalRequestConflict"}
_PASSING_NUMBERS = {errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED}
_PASSING_NUMBERS |= {getattr(errno, "EREMOTEIO", errno.EBUSY)}  # not on every system
_SILENT_NUMBERS = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH}
# names of classes, of aiohttp, botocore, urllib3, requests and httpx, in the order in which they are looked at:
# none of these is imported here
_BY_NAME = {
    "NoCredentialsError": Trouble.DENIED,
    "PartialCredentialsError": Trouble.DENIED,
    "CredentialRetrievalError": Trouble.DENIED,
    "TokenRetrievalError": Trouble.DENIED,
    "DefaultCredentialsError": Trouble.DENIED,
    "EndpointConnectionError": Trouble.SILENT,
    "ConnectTimeoutError": Trouble.SILENT,
    "ClientConnectorError": Trouble.SILENT,
    "ConnectError": Trouble.SILENT,
    "ClientConnectionError": Trouble.PASSING,
    "ClientPayloadError": Trouble.PASSING,
    "HTTPClientError": Trouble.PASSING,
    "TransportError": Trouble.PASSING,
    "IncompleteRead": Trouble.PASSING,
    "IncompleteReadError": Trouble.PASSING,
    "ResponseParserError": Trouble.PASSING,
    "ResponseStreamingError": Trouble.PASSING,
    "ChecksumError": Trouble.PASSING,
    "ServerTimeoutError": Trouble.PASSING,
    "FSTimeoutError": Trouble.PASSING,
}
_LONGEST = 200  # characters of what a client says


def trouble_of(error: BaseException) -> Trouble:
    """What an error of a client means.

    Args:
        error: Whatever it raised.
    """
    for one in _chain(error):
        status, code = _answer(one)
        if code in _PASSING_CODES:
            return Trouble.PASSING
        if code in _EXISTING_CODES:
            return Trouble.EXISTS
        if status:
            return Trouble.PASSING if status in _PASSING else _BY_STATUS.get(status, Trouble.LASTING)
        named = _named(one)
        if named is not None:
            return named
    return _by_system(error)


def _by_system(error: BaseException) -> Trouble:
    """The same by what Python knows of it."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Trouble.MISSING
    if isinstance(error, FileExistsError):
        return Trouble.EXISTS
    if isinstance(error, PermissionError):
        return Trouble.DENIED
    if isinstance(error, ConnectionRefusedError) or getattr(error, "errno", None) in _SILENT_NUMBERS:
        return Trouble.SILENT
    passing = isinstance(error, TimeoutError | ConnectionError | EOFError)
    return Trouble.PASSING if passing or getattr(error, "errno", None) in _PASSING_NUMBERS else Trouble.LASTING


def words_of(error: BaseException) -> str:
    """What a client says of an error, on one line: its status, its code, its words."""
    for one in _chain(error):
        status, code = _answer(one)
        if _named(one) is not None and not code:
            break
        if code == "NoSuchBucket":
            return MISSING_BUCKET
        if status or code:
            name = code if code and not code.isdigit() else ""
            said = " ".join(filter(None, (f"HTTP {status}" if status else "", name)))
            return f"{said}: {_told(one)}" if _told(one) else said
    return _told(error) or type(error).__name__


def _told(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return _short(str((response.get("Error") or {}).get("Message") or ""))
    said = getattr(error, "message", None) or getattr(error, "strerror", None) or error
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    return _short(f"{kind}{said}") if str(said) else ""


def _short(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it came of: some clients make a missing file of everything."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__
    return iter(found)


def _named(error: BaseException) -> Trouble | None:
    return next((_BY_NAME[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _BY_NAME), None)


def _answer(error: BaseException) -> tuple[int, str]:
    """The status of HTTP and the code of S3 that an error tells of; 0 and "" where it tells of none."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        said = response.get("Error") or {}
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        return _number(status), str(said.get("Code") or "")
    for holder, name in ((error, "status"), (response, "status_code"), (error, "code")):
        number = _number(getattr(holder, name, None))
        if number:
            return number, ""
    return 0, ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) and 100 <= value <= 599 else 0
