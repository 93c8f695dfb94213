"""A file in a cache, with a seal beside it.

An entry is a file and one of the same name with the suffix `.sha256`, which holds the digest of the first; it is used
only if both agree, and made again otherwise. Files are renamed into place whole, and their content is a function of
their name, so that any number of processes may write the same entry at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def sealed(place: Path, make: Callable[[], bytes]) -> bytes:
    """The content of an entry, made where it is not there whole.

    Args:
        place: The file.
        make: Makes its content; whatever it raises goes through.
    """
    seal = place.with_suffix(".sha256")
    found = _read(place, seal)
    if found is not None:
        return found
    made = make()
    with contextlib.suppress(OSError):  # read-only or full: the cache is a convenience
        place.parent.mkdir(parents=True, exist_ok=True)
        _put(place, made)
        _put(seal, hashlib.sha256(made).hexdigest().encode())
    return made


def _read(place: Path, seal: Path) -> bytes | None:
    try:
        content, expected = place.read_bytes(), seal.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest().encode() == expected else None


def _put(place: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(place)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
