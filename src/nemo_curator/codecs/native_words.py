"""What a C library writes to standard error while it decodes (libtiff does): heard, and not printed.

For as long as a block runs, a file without a name stands where the process's standard error was. What is written there
in the manner of libtiff is heard; anything else was some other thread's, and is passed on.

Owner: one thread at a time, by a lock; the file descriptor belongs to the whole process.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_MOST = 1 << 16  # bytes that are looked at; a hostile file can make a library write without end
# "TIFFFillStrip: Read error on strip 0.", or the name that Pillow gives to every file
_SAID = re.compile(rb"(?:[A-Za-z_]\w*|tempfile\.tif): [^\x1b]*\.")

_lock = threading.Lock()


@contextmanager
def hearing(heard: list[str]) -> Iterator[None]:
    """Collect what C libraries say.

    Args:
        heard: Takes the lines, in order, when the block ends.
    """
    with _lock, contextlib.ExitStack() as stack:
        words = _file()
        stack.callback(os.close, words)
        try:
            real = os.dup(_STDERR)
        except OSError:  # a process without standard error
            real = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, real)
        os.dup2(words, _STDERR)
        try:
            yield
        finally:
            os.dup2(real, _STDERR)
            others = _sorted_out(os.pread(words, _MOST, 0), heard)
            with contextlib.suppress(OSError):
                os.write(_STDERR, others)


def _file() -> int:
    """A descriptor of a file without a name; what is written goes nowhere if there is no room for one."""
    if sys.platform == "linux":  # memory, so that no disk need have room
        return os.memfd_create("imagecurator-words")
    try:
        with tempfile.TemporaryFile(buffering=0) as file:
            return os.dup(file.fileno())
    except OSError:
        return os.open(os.devnull, os.O_RDWR)


def _sorted_out(written: bytes, heard: list[str]) -> bytes:
    """What was written by others; the library's lines go to `heard`."""
    others = []
    for line in written.splitlines(keepends=True):
        if _SAID.fullmatch(line.rstrip()):
            heard.append(re.sub(r"^tempfile\.tif", "libtiff", line.rstrip().decode("utf-8", "replace")))
        else:
            others.append(line)
    return b"".join(others)
