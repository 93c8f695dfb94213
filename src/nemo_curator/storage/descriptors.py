"""How many files and connections this process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress


def allow_many_files() -> None:
    """Let this process open as many files and connections as the system allows it to (the hard limit)."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # some systems allow less than they say: then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
