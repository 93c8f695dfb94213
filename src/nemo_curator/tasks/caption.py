"""Which of a sample's sidecars is its caption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# In order of preference; the first is what WebDataset image-text shards use.
CAPTION_EXTENSIONS = (".txt", ".caption", ".cap", ".text")
CAPTION_KEYS = ("caption", "text", "alt_text", "alt")


def caption_of(sidecars: Mapping[str, bytes], metadata: Mapping[str, Any]) -> str | None:
    """The caption in the text sidecar, else under a usual key of the metadata, else None.

    Bytes that are no UTF-8 are replaced, not refused: the sidecar itself travels unchanged.
    """
    for extension in CAPTION_EXTENSIONS:
        for name, data in sidecars.items():
            if name.lower().endswith(extension):
                return data.decode("utf-8", "replace").strip()
    for key in CAPTION_KEYS:
        if isinstance(metadata.get(key), str):
            return str(metadata[key]).encode("utf-8", "replace").decode()
    return None
