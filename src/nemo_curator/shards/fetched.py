"""What a fetch of URLs leaves in its folder, and how that is recognised: names that its writer and readers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

MANIFEST = "fetch.json"
"""The file that says what a fetch is."""

MANIFEST_HEAD = b'{"imagecurator_fetch": '
"""How it begins."""

FAILED_END = "-failed.tar"
"""End of the name of the tar with what is left of the rows that have no image."""

UNFETCHED = "unfetched"
"""Extension of the member that stands for an image that could not be had; it says why, as text."""

TIMES = "times"
"""Folder of the tables that say when each row was fetched."""

_TABLE = re.compile(rf"(?:{TIMES}/)?[0-9]{{6,}}\.parquet")
_SHOWN = 500  # characters of a reason


def shard_name(number: int) -> str:
    """The name of a shard of a fetch, without an ending.

    Args:
        number: Which one it is, from 0.
    """
    return f"{number:06d}"


def fetch_tables(paths: Iterable[str], begins: Callable[[str], bytes]) -> frozenset[str]:
    """The files of a folder that say what a fetch did, and hold no image.

    Args:
        paths: Relative paths of all files.
        begins: The first bytes of one; asked of files called `fetch.json` alone.
    """
    known = list(paths)
    manifests = [path for path in known if path.rsplit("/", 1)[-1] == MANIFEST]
    folders = [path[: -len(MANIFEST)] for path in manifests if begins(path).startswith(MANIFEST_HEAD)]
    if not folders:
        return frozenset()
    inside = {
        folder: re.compile(rf"{re.escape(folder)}(?:{_TABLE.pattern}|{re.escape(MANIFEST)})") for folder in folders
    }
    return frozenset(path for path in known if any(form.fullmatch(path) for form in inside.values()))


def reason_of(data: bytes) -> str:
    """Why an image could not be had, as its `.unfetched` member says it.

    Args:
        data: The bytes of that member; a stranger's, so that only the beginning counts.
    """
    text = data[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]
    return "".join(one if one.isprintable() else " " for one in text).strip() or "nothing says why"
