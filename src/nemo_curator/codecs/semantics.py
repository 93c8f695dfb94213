"""What decoding means here, so that scores can say which pixels they were computed from."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from typing import Any

from nemo_curator.codecs.options import DEFAULT_OPTIONS, DecodeOptions

DECODE_VERSION = 3
"""Raised whenever the same bytes decode, or the same picture is cut into a view, with other numbers than before."""

version = cache(metadata.version)  # which parses all that a distribution says of itself, each time

# distribution to module; that of the extra `jxl` may be absent
_LIBRARIES = {
    "cykooz-resizer": "cykooz_resizer",
    "imagecodecs": "imagecodecs",
    "numpy": "numpy",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "simplejpeg": "simplejpeg",
}


def decode_facts(options: DecodeOptions = DEFAULT_OPTIONS) -> dict[str, Any]:
    """The version of our decoding, the choices of the recipe, and the version of every library that makes pixels.

    Args:
        options: The choices.
    """
    chosen = {**asdict(options), "background": list(options.background)}
    installed = (name for name in _LIBRARIES if find_spec(_LIBRARIES[name]) is not None)
    libraries = {name: version(name) for name in installed}
    return {"version": DECODE_VERSION, "options": chosen, "libraries": libraries}
