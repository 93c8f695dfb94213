"""What decoding means here, so that scores can say which pixels they were computed from."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

DECODE_VERSION = 1
"""Raised whenever the same bytes decode, or the same picture is cut into a view, with other numbers than before."""

_LIBRARIES = ("cykooz-resizer", "numpy", "pillow", "pillow-heif", "simplejpeg")


def decode_facts() -> dict[str, Any]:
    """The version of our decoding and of every library that makes pixels."""
    return {"version": DECODE_VERSION, "libraries": {name: version(name) for name in _LIBRARIES}}
