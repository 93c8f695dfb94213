"""What a layout is: names of files, and how to make a tower of what is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nemo_curator.kernels.view import View
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionTower, VisionWeights


@dataclass(frozen=True, slots=True)
class Described:
    """What the settings in a folder say of its tower.

    Attributes:
        tower: The shape.
        view: The picture that it wants of every image.
        prefixes: What the names of its arrays begin with.
        arrange: Takes its arrays out of those of the weight file.
    """

    tower: VisionTower
    view: View
    prefixes: tuple[str, ...]
    arrange: Callable[[Tensors], VisionWeights]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which folders of models are published.

    Attributes:
        name: Whose, in words.
        weights: Names that the weight file may have.
        settings: Names of the settings files that it cannot do without.
        describe: Reads the settings in a folder.
    """

    name: str
    weights: tuple[str, ...]
    settings: tuple[str, ...]
    describe: Callable[[Path], Described]
