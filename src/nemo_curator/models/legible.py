"""Files of models that may be missing, closed to the reader, or no file: each is a sentence, never a bare `OSError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nemo_curator.errors import CuratorError, WeightsError, WeightsNotFoundError

_HEAD = 256  # bytes that tell what was fetched instead
_POINTER = b"version https://git-lfs"
_MISSING = (FileNotFoundError, NotADirectoryError)


@contextmanager
def legible(path: Path, missing: str = "there is no such weight file") -> Iterator[None]:
    """Whatever the operating system refuses about a file inside the block becomes one of our errors.

    Args:
        path: The file.
        missing: What is said where it is not there.

    Raises:
        WeightsNotFoundError: The file is not there.
        WeightsError: It cannot be read.
    """
    try:
        yield
    except CuratorError:
        raise
    except _MISSING:
        raise WeightsNotFoundError(missing, where=str(path)) from None
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> WeightsError:
    """The sentence for a file that the operating system does not give."""
    acts = {IsADirectoryError: "put the file itself there", PermissionError: "let this user read it"}
    act = acts.get(type(error), "check the disk, or fetch it again")
    return WeightsError("the file cannot be read", where=str(path), cause=error.strerror or str(error), act=act)


def is_file(path: Path) -> bool:
    """Whether there is a file at a path, which need not be readable itself.

    Raises:
        WeightsError: A folder on the way is closed, so that nobody knows.
    """
    with legible(path):
        return path.is_file()


def mistaken(path: Path) -> tuple[str, str] | None:
    """What a file is that is taken for weights or settings, and is none for certain; and what to do about it.

    Args:
        path: A file that could not be understood.

    Returns:
        (what it is, what to do), or None where it is nothing that is known.
    """
    with legible(path), path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "the file is empty", ""
    if head.startswith(_POINTER):
        return "it is a pointer of Git LFS, not the file itself", "run `git lfs pull` where it was cloned, and copy it"
    if head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "it is a web page, perhaps the one about the file", ""
    return None
