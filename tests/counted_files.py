"""A storage in memory that counts what it is asked, as a bill would, so that the number of requests can be tested."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

_KINDS = {"cat_file": "GET", "info": "HEAD", "find": "LIST", "put_file": "PUT", "rm_file": "DELETE"}


class Asked(list[tuple[str, str]]):
    """(kind of request, path) of everything that was asked, in order."""

    def take(self) -> Counter[tuple[str, str]]:
        """How often each was asked since the last time."""
        taken = Counter(self)
        self.clear()
        return taken


class CountedFiles(MemoryFileSystem):
    """Files in memory; what a verb asks of another verb is none of the client's requests."""

    protocol = "counted"
    store: dict[str, Any] = {}  # noqa: RUF012  (as in the class of the library: of all instances)
    pseudo_dirs = [""]  # noqa: RUF012  (the same)
    asked = Asked()
    _inside = threading.local()

    @contextlib.contextmanager
    def _one(self, kind: str, path: str) -> Iterator[None]:
        """Count a request, unless it is part of another one."""
        outer = getattr(self._inside, "is", False)
        if not outer:
            self.asked.append((kind, path.removeprefix("counted://").strip("/")))
        self._inside.__dict__["is"] = True
        try:
            yield
        finally:
            self._inside.__dict__["is"] = outer


def _counted(verb: str, kind: str) -> Any:
    """The verb of the library, counted."""

    def ask(self: CountedFiles, *arguments: Any, **options: Any) -> Any:
        path = arguments[1] if verb == "put_file" else arguments[0]
        with self._one(kind, path):
            return getattr(MemoryFileSystem, verb)(self, *arguments, **options)

    return ask


for _verb, _kind in _KINDS.items():
    setattr(CountedFiles, _verb, _counted(_verb, _kind))


@contextlib.contextmanager
def counting() -> Iterator[Asked]:
    """What is asked of places that begin with `counted://`, where nothing is at the beginning and at the end."""
    fsspec.register_implementation("counted", CountedFiles, clobber=True)
    _forget()
    try:
        yield CountedFiles.asked
    finally:
        _forget()


def _forget() -> None:
    """Nothing is there, and nothing was asked."""
    CountedFiles.store.clear()
    CountedFiles.pseudo_dirs[:] = [""]
    CountedFiles.asked.clear()


def of_parts(found: Counter[tuple[str, str]], folder: str = "parts") -> Counter[str]:
    """Kind of request to how often it was asked of files in a folder that has one for each partition."""
    kinds: Counter[str] = Counter()
    for (kind, path), number in found.items():
        if f"/{folder}/" in path:
            kinds[kind] += number
    return kinds
