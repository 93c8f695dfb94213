"""What the layouts of Hugging Face share: one file for the shape, one for the view, and how the shape is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nemo_curator.models.layouts.preprocessing import Preprocessing, read_preprocessor, words
from nemo_curator.models.layouts.settings import Settings, read_settings
from nemo_curator.models.towers.vision import VisionTower
from nemo_curator.models.weights import SETTINGS

CONFIG, PREPROCESSOR = SETTINGS
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of weight files, the preferred one first."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a kind of model means where its files leave something out.

    Attributes:
        sizes: Key of `config.json` to its value.
        activation: The activation's name.
        epsilon: What layer norms add to the variance.
        preprocessing: The view and the normalisation.
    """

    sizes: Mapping[str, int]
    activation: str
    epsilon: float
    preprocessing: Preprocessing


def read_both(folder: Path, defaults: Defaults) -> tuple[Settings, Preprocessing]:
    """The two settings files of a folder.

    Raises:
        WeightsNotFoundError: One is not there.
        WeightsError: One is damaged or says what is not supported.
    """
    config = read_settings(folder / CONFIG)
    return config, read_preprocessor(read_settings(folder / PREPROCESSOR), defaults.preprocessing)


def sized(
    section: Settings, defaults: Defaults, preprocessing: Preprocessing, *, hidden: int, dimension: int
) -> VisionTower:
    """The tower of a section of `config.json`, for pictures of the side that the preprocessing gives.

    Args:
        section: The section.
        defaults: Of the kind of model.
        preprocessing: The view and the normalisation.
        hidden: Length of a token inside a perceptron.
        dimension: Length of the embedding.

    Raises:
        WeightsError: The sizes do not fit each other, or the activation is not supported.
    """
    width = section.whole("hidden_size", defaults.sizes["hidden_size"])
    tower = VisionTower(
        width=width,
        hidden=hidden,
        layers=section.whole("num_hidden_layers", defaults.sizes["num_hidden_layers"]),
        heads=section.whole("num_attention_heads", defaults.sizes["num_attention_heads"]),
        side=preprocessing.side,
        patch=section.side("patch_size", defaults.sizes["patch_size"]),
        dimension=dimension,
        activation=section.activation(defaults.activation),
        epsilon=section.number("layer_norm_eps", defaults.epsilon),
        mean=preprocessing.mean,
        deviation=preprocessing.deviation,
    )
    return fitting(tower, section)


def fitting(tower: VisionTower, told: Settings) -> VisionTower:
    """The tower, if its sizes fit each other.

    Raises:
        WeightsError: They do not.
    """
    if tower.width % tower.heads or tower.patch > tower.side:
        raise told.wrong("its sizes do not divide into heads and patches")
    return tower


def same_side(config: Settings, preprocessing: Preprocessing, side: int) -> None:
    """Refuse a view of another side than the one whose positions the weights know.

    Raises:
        WeightsError: It is another.
    """
    if preprocessing.side != side:
        resized = words(preprocessing.view)
        raise config.wrong(f"pictures have {side} pixels a side here, and the preprocessor resizes {resized}")
