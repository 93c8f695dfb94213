"""Files behind URLs, through fsspec."""

# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH120
# (paths are plain strings here: URLs, non-UTF-8 names, and millions of them)

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from nemo_curator.errors import StorageError
from nemo_curator.storage import web
from nemo_curator.storage.kinds import HTTP, kind_of
from nemo_curator.storage.place import Stored, is_local, join
from nemo_curator.storage.reach import Reach, reach
from nemo_curator.storage.refusal import buffered, explained, storage_error
from nemo_curator.storage.remote_file import RemoteFile, buffered_reader
from nemo_curator.storage.trouble import MISSING_BUCKET

_VERSIONS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime", "created", "blob_id")


def stat_remote(url: str) -> Stored:
    """Size and kind of what is at `url`."""
    place = reach(url)
    info = place.ask(lambda: place.files.info(place.path), "be read")
    is_folder = info["type"] == "directory" or (place.kind.name == HTTP and web.is_index(info))
    return Stored(
        url, 0 if is_folder else _size(info), "directory" if is_folder else "file", "" if is_folder else _version(info)
    )


def _size(info: Mapping[str, Any]) -> int:
    """Bytes of a file; -1 where nobody knows them, as in the index that a web server shows."""
    return -1 if info.get("size") is None else int(info["size"])


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


def is_read_only(url: str) -> bool:
    """Whether nothing can be written there."""
    return kind_of(url).is_read_only


def reads_ranges(url: str) -> bool:
    """Whether a part of a file can be had without what comes before it; web servers may not."""
    if kind_of(url).name != HTTP:
        return True
    place = reach(url)
    return bool(place.ask(lambda: web.reads_ranges(place.files, place.path), "be read"))


def read_range_remote(url: str, offset: int, length: int) -> bytes:
    """At most `length` bytes from byte `offset`, in one request."""
    return _range(reach(url), offset, length)


def _range(place: Reach, offset: int, length: int) -> bytes:
    if length <= 0:
        return b""

    def request() -> bytes:
        if place.kind.name == HTTP:
            return web.read_range(place.files, place.path, offset, length)
        return bytes(place.files.cat_file(place.path, start=offset, end=offset + length))

    try:
        return place.ask(request, "be read")
    except EOFError:  # the file ends before
        return b""


def read_end_remote(url: str, length: int) -> bytes:
    """At most the last `length` bytes, in one request where its storage takes one for that."""
    return _end(reach(url), length)


def _end(place: Reach, length: int) -> bytes:
    if length <= 0:
        return b""
    if not place.kind.gives_ends:
        size = max(0, _size(place.ask(lambda: place.files.info(place.path), "be read")))
        return _range(place, max(0, size - length), min(size, length))

    def request() -> bytes:
        if place.kind.name == HTTP:
            return web.read_end(place.files, place.path, length)
        return bytes(place.files.cat_file(place.path, start=-length))

    try:
        return place.ask(request, "be read")[-length:]  # a storage that knows no ends may give all of it
    except EOFError:  # it holds nothing
        return b""


def remove_remote(url: str) -> None:
    """Remove a file."""
    place = reach(url)
    place.ask(lambda: place.files.rm_file(place.path), "be removed")


@contextmanager
def write_remote(url: str, *, new: bool = False) -> Iterator[BinaryIO]:
    """A file that is gathered here and put under `url` in one go.

    Args:
        url: Where.
        new: Whether there must be none before.

    Raises:
        StorageError: It cannot be put there.
        FileExistsError: There is one, and `new` is set.
    """
    place = reach(url)
    refuse_read_only(url)
    with explained(tempfile.gettempdir()):
        descriptor, temporary = tempfile.mkstemp(prefix="imagecurator-")
    try:
        with buffered(descriptor, f"{url} (gathered in {temporary})") as file:
            yield file
        _put(place, temporary, new=new)
    finally:
        os.unlink(temporary)


def _put(place: Reach, temporary: str, *, new: bool) -> None:
    options = {**place.kind.putting, **({"mode": "create"} if new else {})}
    try:
        place.ask(lambda: place.files.put_file(temporary, place.path, **options), "be written")
    except FileExistsError:
        if new:
            raise
        raise StorageError("cannot be written", where=place.url, cause="a file is in the way") from None
    except FileNotFoundError as error:
        refuse_missing_bucket(place.url, error)
        raise storage_error(place.url, error) from None
    except OSError as error:
        raise storage_error(place.url, error) from None


def refuse_read_only(url: str) -> None:
    """Refuse to write where nothing can be written.

    Raises:
        StorageError: It is such a place.
    """
    if is_read_only(url):
        raise StorageError(
            "nothing can be written there",
            where=url,
            cause="over http and https files are read only",
            act="choose a folder, or an object store (s3://, gs://)",
        )


def refuse_missing_bucket(url: str, error: FileNotFoundError) -> None:
    """Refuse a place to write to that is missing because its bucket is; another one is made by writing to it.

    Args:
        url: The place.
        error: That it is missing.

    Raises:
        StorageError: Its bucket is.
    """
    if not is_local(url) and error.strerror == MISSING_BUCKET:
        act = "make it, or check its name"
        raise StorageError("cannot be written", where=url, cause=error.strerror, act=act) from None


def open_remote(url: str, *, whole: bool = False, from_end: bool = False) -> BinaryIO:
    """A remote file to read."""
    place = reach(url)
    if place.kind.name == HTTP and not reads_ranges(url):
        return _downloaded(place)

    def ask_size() -> int:
        return max(0, _size(place.ask(lambda: place.files.info(place.path), "be read")))

    def fetch(offset: int, length: int) -> bytes:
        return _range(place, offset, length)

    if from_end and place.kind.gives_ends:
        return buffered_reader(RemoteFile(fetch, ask_size, fetch_end=lambda length: _end(place, length)))
    return buffered_reader(RemoteFile(fetch, ask_size, whole=whole))


def _downloaded(place: Reach) -> BinaryIO:
    """The whole file in a nameless temporary one, in one request: its server gives no parts."""
    with explained(tempfile.gettempdir()):
        file = tempfile.TemporaryFile(prefix="imagecurator-")  # noqa: SIM115 (whoever asked for it closes it)
    try:
        place.ask(lambda: web.download(place.files, place.path, file), "be read")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def list_remote(url: str, *, recursive: bool) -> Iterator[Stored]:
    """What lies under a URL."""
    place = reach(url)
    root = place.path

    def request() -> dict[str, dict[str, Any]]:
        place.files.invalidate_cache(root)
        found: dict[str, dict[str, Any]] = place.files.find(root, detail=True, maxdepth=None if recursive else 1)
        if not isinstance(found, dict):  # of a file adlfs says no more than its name
            found = {path: place.files.info(path) for path in found}
        if not found:
            place.files.info(root)  # raises where there is nothing, so that a misspelt URL is not an empty one
        return found

    for path, info in place.ask(request, "be listed").items():
        if info.get("type") == "directory" or path.endswith("/"):  # a mark that some tools leave for a folder
            continue
        inner = path[len(root) :].lstrip("/")
        if not recursive and "/" in inner:  # adlfs heeds no depth
            continue
        yield Stored(join(url.rstrip("/"), inner) if inner else url, _size(info), "file", _version(info))
