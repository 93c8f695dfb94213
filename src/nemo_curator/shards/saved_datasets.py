"""Folders that `datasets` saved to disk: which of their files are the data, and which only describe it.

A `state.json` names the Arrow files of its folder. Others beside them are caches of later work, which hold the same
images once more. Names in it are compared with what is there, and never opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from nemo_curator.shards.names import is_arrow_name, to_text

STATE, INFO, DICT = "state.json", "dataset_info.json", "dataset_dict.json"
MOST_BYTES = 1 << 24
"""Bytes of a `state.json` at most; ten thousand names are a hundredth of it."""

_ABOUT = "it describes a saved data set"
_CACHE = "it is no file of the saved data set that it lies in"


def beside_the_data(paths: Collection[str], read: Callable[[str], bytes]) -> dict[str, str]:
    """Files of saved data sets that are nothing to account for.

    Args:
        paths: Relative paths of all files of an input, as text.
        read: Up to `MOST_BYTES` first bytes of one of them; b"" where it cannot be read.

    Returns:
        Path to the reason.
    """
    by_folder: dict[str, list[str]] = {}
    for path in paths:
        folder, slash, _ = path.rpartition("/")
        by_folder.setdefault(folder + slash, []).append(path)
    ignored: dict[str, str] = {}
    for folder, inside in by_folder.items():
        state = f"{folder}{STATE}"
        streams = [path for path in inside if is_arrow_name(path)]
        data = _data_files(read(state)) if streams and state in inside else frozenset()
        if not data or not data <= {path.rpartition("/")[2] for path in streams}:
            continue  # it is no state, or not that of this folder
        ignored |= dict.fromkeys((one for one in (state, f"{folder}{INFO}") if one in inside), _ABOUT)
        ignored |= {path: _CACHE for path in streams if path.rpartition("/")[2] not in data}
        above = folder.rstrip("/").rpartition("/")
        splits = f"{above[0]}{above[1]}{DICT}"
        if folder and splits in by_folder.get(above[0] + above[1], ()):
            ignored[splits] = _ABOUT
    return ignored


def _data_files(text: bytes) -> frozenset[str]:
    """Names of the files that a state lists; none where it is no state."""
    try:
        listed: Any = json.loads(text)["_data_files"]
        return frozenset(_names(listed))
    except (ValueError, LookupError, TypeError, RecursionError):
        return frozenset()


def _names(listed: Iterable[Any]) -> list[str]:
    return [to_text(str(one["filename"])) for one in listed]
