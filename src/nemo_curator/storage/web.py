"""Web servers, which may not know of ranges: what fsspec's client for them leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import IO, Any

_PIECE = 1 << 20
_PARTIAL, _BEYOND = 206, 416


def is_index(info: Mapping[str, Any]) -> bool:
    """Whether a URL is a folder's: its server leads it to one with a slash at the end, and shows a page there."""
    return str(info.get("url", "")).partition("?")[0].endswith("/") and info.get("mimetype") == "text/html"


def read_range(files: Any, url: str, offset: int, length: int) -> bytes:
    """At most so many bytes from a place on; of a server that knows no ranges, what comes before is passed over.

    Raises:
        Exception: As the client raises it.
    """
    return bytes(_sync(files, _range(files, url, offset, length)))


def read_end(files: Any, url: str, length: int) -> bytes:
    """At most the last bytes of a file; of a server that knows no ranges, what comes before is passed over.

    Raises:
        Exception: As the client raises it.
    """
    return bytes(_sync(files, _end(files, url, length)))


def reads_ranges(files: Any, url: str) -> bool:
    """Whether a server gives parts of a file, by asking for one byte."""
    return bool(_sync(files, _partial(files, url)))


def download(files: Any, url: str, target: IO[bytes]) -> None:
    """The whole of a file into another one, whose earlier contents are lost.

    Raises:
        Exception: As the client raises it.
    """
    target.seek(0)
    target.truncate()
    _sync(files, _whole(files, url, target))


def _sync(files: Any, coroutine: Any) -> Any:
    async def run() -> Any:
        return await coroutine

    return import_module("fsspec.asyn").sync(files.loop, run)


async def _range(files: Any, url: str, offset: int, length: int) -> bytes:
    async with await _asked(files, url, f"bytes={offset}-{offset + length - 1}") as answer:
        if answer.status == _BEYOND:
            return b""
        _check(files, answer, url)
        if answer.status == _PARTIAL:
            return bytes(await answer.read())
        found, passed = bytearray(), 0
        async for piece in answer.content.iter_chunked(_PIECE):
            found += piece[max(0, offset - passed) :]
            passed += len(piece)
            if len(found) >= length:
                break
        return bytes(found[:length])


async def _end(files: Any, url: str, length: int) -> bytes:
    async with await _asked(files, url, f"bytes=-{length}") as answer:
        if answer.status == _BEYOND:  # it holds nothing
            return b""
        _check(files, answer, url)
        found = bytearray()
        async for piece in answer.content.iter_chunked(_PIECE):
            found += piece
            del found[:-length]
        return bytes(found)


async def _partial(files: Any, url: str) -> bool:
    async with await _asked(files, url, "bytes=0-0") as answer:
        if answer.status != _BEYOND:  # an empty file has no first byte
            _check(files, answer, url)
        return bool(answer.status in {_PARTIAL, _BEYOND})


async def _whole(files: Any, url: str, target: IO[bytes]) -> None:
    async with await _asked(files, url, "") as answer:
        _check(files, answer, url)
        async for piece in answer.content.iter_chunked(_PIECE):
            target.write(piece)


async def _asked(files: Any, url: str, span: str) -> Any:
    session = await files.set_session()
    options = dict(files.kwargs)
    headers = {**options.pop("headers", {}), "Accept-Encoding": "identity", **({"Range": span} if span else {})}
    return await session.get(files.encode_url(url), headers=headers, **options)


def _check(files: Any, answer: Any, url: str) -> None:
    files._raise_not_found_for_status(answer, url)  # noqa: SLF001 (what every verb of the client does with an answer)
