"""What is at a place, and the names of places."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_LOCAL_SCHEMES = ("file://", "local://")


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing at a place.

    Attributes:
        url: The path or URL that opens it.
        size: Bytes of a file, -1 where nobody knows them; else 0.
        kind: `file`; `directory`; `special` (device, pipe, socket: never opened); `broken` (a link to nothing);
            `loop` (a directory, met through a link, that is listed elsewhere); `unreadable` (a directory whose
            contents cannot be listed).
        version: Changes when a file is written anew: its time of change, or the store's tag; "" where nobody knows.
    """

    url: str
    size: int
    kind: str = "file"
    version: str = field(default="", compare=False)

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind in {"directory", "loop", "unreadable"}


def is_local(url: str) -> bool:
    """Whether `url` is a path of this machine."""
    return "://" not in url or url.startswith(_LOCAL_SCHEMES)


def join(base: str, *parts: str) -> str:
    """`base` and `parts` with single slashes between them; an empty `base` adds none."""
    for part in parts:
        base = part if not base else f"{base}{'' if base.endswith('/') else '/'}{part}"
    return base


def is_temporary(url: str) -> bool:
    """Whether the name is that of a file that was still being written: to be swept, never read."""
    return re.fullmatch(r".*\.tmp-[0-9a-f]{12}", url, re.DOTALL) is not None


def local_path(url: str) -> str:
    """The path of a local URL, without its scheme."""
    for scheme in _LOCAL_SCHEMES:
        if url.startswith(scheme):
            return url[len(scheme) :]
    return url
