"""Which layout a folder has, told by what lies in it."""

from __future__ import annotations

from pathlib import Path

from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.models.layouts import clip, dinov2, hugging_face, openclip, siglip
from nemo_curator.models.layouts.layout import Layout
from nemo_curator.models.layouts.settings import read_settings
from nemo_curator.models.legible import is_file
from nemo_curator.models.weights import OPEN_CLIP

_KINDS: dict[str, Layout] = {kind: room.LAYOUT for room in (clip, siglip, dinov2) for kind in room.KINDS}


def layout_of(weights: Path) -> Layout:
    """The layout of a weight file: OpenCLIP's by its name, else what `config.json` beside it says.

    Raises:
        WeightsNotFoundError: There is no `config.json`.
        WeightsError: It is damaged, or describes a model that has none of the known layouts.
    """
    if weights.name.startswith(OPEN_CLIP):
        return openclip.LAYOUT
    config = read_settings(weights.parent / hugging_face.CONFIG)
    kind = config.content.get("model_type")
    if not isinstance(kind, str) or kind not in _KINDS:
        known = ", ".join(_KINDS)
        raise config.wrong(f"it describes a model of the kind {kind!r}; image towers are read of {known}, and OpenCLIP")
    return _KINDS[kind]


def weights_in(folder: Path) -> Path:
    """The weight file of a folder; where it is published in two layouts, OpenCLIP's.

    Raises:
        WeightsNotFoundError: There is none, or no settings beside it.
        WeightsError: The folder cannot be read.
    """
    kinds = (((openclip.CONFIG,), openclip.WEIGHTS), ((hugging_face.CONFIG,), hugging_face.WEIGHTS))
    for settings, names in kinds:
        found = [folder / name for name in names if is_file(folder / name)]
        if found and all(is_file(folder / name) for name in settings):
            return found[0]
    ways = " or ".join(f"{settings[0]} and {' or '.join(names)}" for settings, names in reversed(kinds))
    raise WeightsNotFoundError("no model lies in this folder", where=str(folder), act=f"put there {ways}")
