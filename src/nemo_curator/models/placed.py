"""Models that are not registered, named by where they lie: `owner/name` is a folder under the model directory.

What is known of one is what its settings files say, so that any tower of a known layout can be used. The name is the
same on every machine and stands in the fingerprint beside the hashes of weights and settings; where the directory of
models lies does not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches

from nemo_curator.errors import UnknownModelError, WeightsNotFoundError
from nemo_curator.models.embedders import tower_spec
from nemo_curator.models.layouts import clip, openclip
from nemo_curator.models.layouts.choosing import layout_of, weights_in
from nemo_curator.models.remedies import NAMING
from nemo_curator.models.spec import ModelSpec
from nemo_curator.models.weights import model_directory

# no part may be empty, begin with a dot (`..` leaves the directory) or hold what some systems take for a separator
_PLACE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*){1,3}")
_LONGEST = 200
_SLIP = 0.85  # how like a registered model's place a name has to be for a slip


def is_place(name: str) -> bool:
    """Whether a model's name says where it lies, instead of what it is registered as."""
    return "/" in name


def placed_spec(
    name: str, model_dir: str | os.PathLike[str] | None = None, registered: Sequence[str] = ()
) -> ModelSpec:
    """What is known of the model in a folder.

    Args:
        name: The folder's place under `model_dir`, such as `apple/DFN2B-CLIP-ViT-L-14`.
        model_dir: The directory that holds all models; None means `$IMAGECURATOR_MODEL_DIR`.
        registered: Places of registered models, of which a name without a folder may be a slip.

    Raises:
        UnknownModelError: The name is no such place, or a slip of a registered one.
        WeightsNotFoundError: No model lies there, or no directory of models is known.
        WeightsError: Its settings are damaged, or describe a model that is not supported.
    """
    if len(name) > _LONGEST or not _PLACE.fullmatch(name):
        raise UnknownModelError(
            f"{name!r} is no name of a model",
            act="name a registered model, or a folder of the model directory as it is published: `owner/name`",
        )
    models = model_directory(model_dir)
    close = get_close_matches(name, registered, n=1, cutoff=_SLIP)
    if close and (models is None or not (models / name).is_dir()):
        raise UnknownModelError(f"no model lies at {name!r}", act=f"did you mean {close[0]!r}?")
    if models is None:
        raise WeightsNotFoundError(
            f"no model_dir was given, so the model {name} cannot be found",
            act=f"{NAMING}, with the folder {name} in it",
        )
    folder = models / name
    weights = weights_in(folder)
    layout = layout_of(weights)
    found = layout.describe(folder)
    return tower_spec(
        name,
        name,
        view=found.view,
        dimension=found.tower.dimension,
        patch=found.tower.patch,
        licence="NOASSERTION",
        names=(weights.name,),
        beside=layout.settings,
        text=layout in {clip.LAYOUT, openclip.LAYOUT},
    )
