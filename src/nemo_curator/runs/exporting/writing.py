"""Small files of a data set, written where they are not there already."""

from __future__ import annotations

from nemo_curator import storage


def holds(location: str, data: bytes) -> bool:
    """Whether a file is there with these bytes and no more."""
    try:
        with storage.open(location) as file:
            return file.read(len(data) + 1) == data
    except OSError:
        return False


def write_unless_there(location: str, data: bytes) -> None:
    """Write a file, unless it holds these bytes already.

    Raises:
        StorageError: It cannot be written.
    """
    if not holds(location, data):
        with storage.write_atomic(location) as file:
            file.write(data)
