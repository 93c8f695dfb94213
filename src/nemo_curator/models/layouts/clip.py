"""CLIP towers in the layout of Hugging Face, which the others stand beside."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from nemo_curator.models.clip_config import clip_view, read_config
from nemo_curator.models.layouts.clip_arrays import PREFIXES, vision_weights
from nemo_curator.models.layouts.hugging_face import CONFIG, WEIGHTS
from nemo_curator.models.layouts.layout import Described, Layout

KINDS = ("clip",)
"""What `model_type` says."""


def describe(folder: Path) -> Described:
    """The image tower in a folder.

    Raises:
        WeightsNotFoundError: There is no `config.json`.
        WeightsError: A settings file is damaged, or describes something else.
    """
    tower = read_config(folder)
    return Described(tower, clip_view(tower.side), PREFIXES, partial(vision_weights, tower))


LAYOUT = Layout("CLIP of Hugging Face", WEIGHTS, (CONFIG,), describe)
"""The layout."""
