"""A folder for temporary files: removed at the end, or by the next one if its process was killed."""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nemo_curator import storage

_YOUNG = 60.0  # seconds that a folder may be there before its lock is asked for: its owner may not have it yet


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A new folder below `TMPDIR` that only this user can look into.

    Each is locked while it is used, so that one that is not was left by a process that died.

    Raises:
        StorageError: It cannot be made.
    """
    prefix = f"imagecurator-{platform.node()}-"  # a lock may be seen on its own machine only
    _sweep(prefix)
    try:
        folder = tempfile.mkdtemp(prefix=prefix)
    except OSError as error:
        raise storage.storage_error(tempfile.gettempdir(), error) from error
    try:
        with storage.locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(prefix: str) -> None:
    """Remove what died processes left."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
            if folder.stat().st_mtime < time.time() - _YOUNG and not storage.is_locked(str(folder)):
                shutil.rmtree(folder, ignore_errors=True)
