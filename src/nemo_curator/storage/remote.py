"""Files behind URLs, through fsspec."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH120
# (paths are plain strings here: URLs, non-UTF-8 names, and millions of them)

from __future__ import annotations

import errno
import importlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from nemo_curator.errors import InputError, MissingExtraError
from nemo_curator.redaction import redacted
from nemo_curator.storage.place import Stored, join
from nemo_curator.storage.refusal import BUFFER, buffered, explained

_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created")


def stat_remote(url: str) -> Stored:
    """Size and kind of what is at `url`."""
    filesystem, path = _filesystem(url)
    with _remote(url):
        info = filesystem.info(path)
    kind = "directory" if info["type"] == "directory" else "file"
    return Stored(url, int(info.get("size") or 0), kind, _version(info))


def _version(info: Mapping[str, Any]) -> str:
    """What a store calls the state of a file; stores differ in the name."""
    return next((str(info[name]) for name in _VERSIONS if info.get(name)), "")


def canonical_remote(url: str) -> str:
    """The one spelling of a place, as its kind of storage takes it; as it is where nothing is known of that kind.

    What fsspec takes for two places stays two: a doubled slash is a folder without a name to an object store.
    """
    plain = url.rstrip("/")
    protocol = url.partition("://")[0]
    if "::" in protocol:  # a file inside another one
        return plain
    try:
        kind = importlib.import_module("fsspec").get_filesystem_class(protocol)
    except (ImportError, ValueError):
        return plain
    path = str(kind._strip_protocol(url)).rstrip("/")  # noqa: SLF001 (fsspec's way to ask without connecting)
    if "://" in path:
        return path
    first = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
    if kind._get_kwargs_from_urls(url):  # noqa: SLF001 (the same) # then the host is no part of the path
        return f"{first}://{urlsplit(url).netloc}/{path.lstrip('/')}"
    return f"{first}://{path}"


def read_range_remote(url: str, offset: int, length: int) -> bytes:
    """At most `length` bytes from byte `offset`, in one request."""
    filesystem, path = _filesystem(url)
    with _remote(url):
        return bytes(filesystem.cat_file(path, start=offset, end=offset + length))


def remove_remote(url: str) -> None:
    """Remove a file."""
    filesystem, path = _filesystem(url)
    with _remote(url):
        filesystem.rm_file(path)


@contextmanager
def write_remote(url: str) -> Iterator[BinaryIO]:
    """A file that is gathered here and put under `url` in one go."""
    filesystem, path = _filesystem(url)
    with explained(tempfile.gettempdir()):
        descriptor, temporary = tempfile.mkstemp(prefix="imagecurator-")
    try:
        with buffered(descriptor, f"{url} (gathered in {temporary})") as file:
            yield file
        with explained(url), _remote(url):
            filesystem.put_file(temporary, path)
    finally:
        os.unlink(temporary)


def _filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    core = importlib.import_module("fsspec.core")  # only here: a local run never needs it
    try:
        filesystem, path = core.url_to_fs(url)
    except ImportError as error:
        act = "install the package that it names"
        raise MissingExtraError(
            "this kind of URL needs a further package", where=url, cause=str(error), act=act
        ) from None
    except ValueError as error:
        raise InputError(
            "this kind of URL is not known", where=url, cause=str(error), act="check its spelling"
        ) from None
    return filesystem, path


@contextmanager
def _remote(url: str) -> Iterator[None]:
    """Turn whatever a remote file system raises into an `OSError`."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # every backend has its own kinds
        raise OSError(errno.EIO, redacted(f"{type(error).__name__}: {error}"), redacted(url)) from error


class _Remote(io.RawIOBase):
    """A remote file to read, whose failures are all `OSError`."""

    def __init__(self, file: Any, url: str) -> None:
        super().__init__()
        self._file = file
        self._url = url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        with _remote(self._url):
            return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any, /) -> int:
        with _remote(self._url):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_remote(url: str) -> BinaryIO:
    """A remote file to read."""
    filesystem, path = _filesystem(url)
    with _remote(url):
        return cast("BinaryIO", io.BufferedReader(_Remote(filesystem.open(path, "rb"), url), BUFFER))


def list_remote(url: str, *, recursive: bool) -> Iterator[Stored]:
    """What lies under a URL."""
    filesystem, root = _filesystem(url)
    with _remote(url):
        filesystem.invalidate_cache(root)
        found = filesystem.find(root, detail=True, maxdepth=None if recursive else 1)
        if not found:
            filesystem.info(root)  # raises where there is nothing, so that a misspelt URL is not an empty one
    for path, info in found.items():
        inner = path[len(root) :].lstrip("/")
        yield Stored(join(url.rstrip("/"), inner) if inner else url, int(info.get("size") or 0), "file", _version(info))
