"""How storage elsewhere is reached: which client, told what, asked how often, and what it says as an error of ours.

The options of a recipe belong to this process (`use`), like a proxy or a time zone; they enter nothing that is stored.
Credentials are none of them: clients find those in the environment, and nobody here looks at them.
"""

from __future__ import annotations

import errno
import importlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from nemo_curator.errors import CuratorError, InputError, MissingExtraError, StorageError, UnreachableError
from nemo_curator.redaction import redacted
from nemo_curator.storage.kinds import S3, Kind, client_options, kind_of, protocol_of
from nemo_curator.storage.retrying import TRIES, Patience, patiently
from nemo_curator.storage.trouble import MISSING_BUCKET, Trouble, trouble_of, words_of

T = TypeVar("T")
Options = Mapping[str, Mapping[str, Any]]
"""Kind of storage to what a recipe says of it: `{"s3": {"anon": True}}`."""

_AGAIN = "run the same command again: what is done stays"


@dataclass(slots=True)
class _Reached:
    """What this process knows of storage elsewhere.

    Attributes:
        options: What the recipe says.
        patience: Address to how often to try again there.
    """

    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    patience: dict[tuple[str, str], Patience] = field(default_factory=dict)


_reached = _Reached()
_of_thread = threading.local()  # `lent`: what this thread was lent


def use(options: Options) -> None:
    """Reach storage elsewhere with these options from now on.

    Args:
        options: Kind of storage (`s3`, `gs`, `hf`, `http`) to its options, those of a recipe's `storage`.
    """
    _reached.options = {name: dict(said) for name, said in options.items()}
    _reached.patience.clear()


def in_use() -> dict[str, dict[str, Any]]:
    """The options, for another process of the same run."""
    return {name: dict(said) for name, said in _reached.options.items()}


@dataclass(frozen=True, slots=True)
class Reach:
    """A place elsewhere, as its client sees it.

    Attributes:
        url: The place.
        files: The file system of fsspec.
        path: The path in it.
        kind: What is known of this kind of storage.
    """

    url: str
    files: Any
    path: str
    kind: Kind

    def ask(self, request: Callable[[], T], verb: str) -> T:
        """What a request that may be made twice comes to, tried again where that may help.

        Args:
            request: Makes it.
            verb: What it does, for the sentence: `be read`.

        Raises:
            FileNotFoundError: There is no such file; or none that goes on behind these bytes (`EOFError` is its cause).
            FileExistsError: There is one already.
            UnreachableError: The storage refuses, or does not answer.
        """
        try:
            return patiently(request, _patience(self.url, self.kind))
        except CuratorError:
            raise
        except Exception as error:  # noqa: BLE001 (every client has errors of its own)
            raise _explained(self, error, verb) from None


def reach(url: str) -> Reach:
    """The file system behind a URL.

    Raises:
        MissingExtraError: Its client is not installed.
        InputError: There is no such kind of URL.
    """
    kind = kind_of(url)
    lender: Lent | None = getattr(_of_thread, "lent", None)
    if lender is not None and lender.protocol == url.partition("://")[0] and "::" not in url:
        return Reach(url, lender.files, str(lender.files._strip_protocol(url)), kind)  # noqa: SLF001 (as `url_to_fs` does)
    options = client_options(kind, _reached.options.get(kind.name, {})) if kind.name else {}
    core = importlib.import_module("fsspec.core")  # only here: a local run never needs it
    try:
        # of a file inside another one (`zip://a::s3://b`) each has options of its own, under its protocol
        chained = "::" in url.partition("://")[0] or "::" in url
        files, path = core.url_to_fs(url, **({protocol_of(url): options} if chained else options))
    except ImportError as error:
        act = f"run: pip install 'imagecurator[{kind.extra}]'" if kind.extra else "install the package that it names"
        raise MissingExtraError(
            "this kind of URL needs a further package", where=url, cause=str(error), act=act
        ) from None
    except ValueError as error:
        raise InputError(
            "this kind of URL is not known", where=url, cause=str(error), act="check its spelling"
        ) from None
    except Exception as error:  # noqa: BLE001 (a client that is told what it does not know)
        raise UnreachableError(
            "this storage cannot be reached", where=url, cause=words_of(error), act="check its options"
        ) from None
    if isinstance(getattr(files, "retries", None), int):
        files.retries = 1  # see `kinds`: `retrying` tries again, and nobody else
    return Reach(url, files, path, kind)


@dataclass(frozen=True, slots=True)
class Lent:
    """A client for another thread, which would have to connect anew with one of its own.

    Attributes:
        protocol: Of the URLs that it is for.
        files: The file system of fsspec.
    """

    protocol: str
    files: Any


def lent(url: str) -> Lent | None:
    """The client of this thread for a place; None where not many threads, or not all URLs, share one."""
    files = reach(url).files
    shared = getattr(files, "async_impl", False) and not files._get_kwargs_from_urls(url)  # noqa: SLF001 (as above)
    return Lent(url.partition("://")[0], files) if shared and "::" not in url else None


def lend(one: Lent | None) -> None:
    """Let this thread use a client of another one from now on."""
    _of_thread.lent = one


def _patience(url: str, kind: Kind) -> Patience:
    said = _reached.options.get(kind.name, {})
    host = urlsplit(url).netloc if kind.is_read_only else ""
    key = protocol_of(url), host
    if key not in _reached.patience:
        _reached.patience[key] = Patience(int(said.get("retries", TRIES)))
    return _reached.patience[key]


def _explained(place: Reach, error: Exception, verb: str) -> Exception:
    """An error of a client in our words."""
    trouble, words = trouble_of(error), redacted(words_of(error))
    if trouble is Trouble.BEYOND:
        return EOFError(words)
    if trouble is Trouble.EXISTS:
        return FileExistsError(errno.EEXIST, words, redacted(place.url))
    if trouble is Trouble.MISSING:
        number = errno.ENOTDIR if isinstance(error, NotADirectoryError) else errno.ENOENT
        missing = words if words == MISSING_BUCKET else "No such file or directory"
        return FileNotFoundError(number, missing, redacted(place.url))
    if isinstance(error, IsADirectoryError):
        return error
    kind = place.kind
    if trouble is Trouble.DENIED:
        public = f"; where a place is public, say {kind.public} in the recipe" if kind.public else ""
        what, act = f"the storage does not permit it to {verb}", f"check {kind.credentials}{public}"
    elif trouble is Trouble.SILENT:
        what = f"cannot {verb}: nobody answers at that address"
        act = f"check the network and the address{_where_it_stands(kind)}, and {_AGAIN}"
    elif trouble is Trouble.PASSING:
        what, act = f"cannot {verb}: the storage fails, also when it is asked again", _AGAIN
    else:
        what, act = f"cannot {verb}", f"check the place and {_AGAIN}"
    made = StorageError if verb in WRITING else UnreachableError
    return made(what, where=place.url, cause=words, act=act)


def _where_it_stands(kind: Kind) -> str:
    """Where the address of a storage can be set that need not be its maker's."""
    return " (AWS_ENDPOINT_URL, or `storage: {s3: {endpoint_url: …}}` in the recipe)" if kind.name == S3 else ""


WRITING = ("be written", "be removed")
"""Verbs whose failure is about where results go."""
