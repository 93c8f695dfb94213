"""Image towers from the files that their makers publish, whichever layout these have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nemo_curator.errors import WeightsError
from nemo_curator.models.layouts.choosing import layout_of
from nemo_curator.models.layouts.layout import Described, Layout
from nemo_curator.models.layouts.preprocessing import words
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.outlines import expect_tower
from nemo_curator.models.spec import ModelSpec
from nemo_curator.models.torch_file import read_tensors
from nemo_curator.models.tower_model import TowerModel
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionWeights
from nemo_curator.models.weights import read_safetensors


class PublishedTower(TowerModel):
    """An image tower behind the registry: pictures already cut to the view, embeddings of unit L2 norm.

    What the settings beside the weights say is compared with what is known of the model when this is made, and so are
    the shapes in the weight file's index, so that a mistake is told before a run begins.

    Args:
        spec: What is known of the model.
        weights: The weight file.
        threads: Threads that one call may use.
        numerics: How it is computed; None means full precision, by the fastest runtime that is installed.

    Raises:
        WeightsNotFoundError: A file is missing.
        WeightsError: A file is damaged, or of another model.
    """

    def __init__(self, spec: ModelSpec, weights: Path, threads: int = 1, numerics: Numerics | None = None) -> None:
        super().__init__(spec, weights, threads, numerics)
        expect_tower(weights, self._described())

    @property
    def layout(self) -> Layout:
        """How the files are laid out.

        Raises:
            WeightsNotFoundError: The settings file that says so is missing.
            WeightsError: It is damaged, or tells of a model that has none of the known layouts.
        """
        return layout_of(self._weights)

    def read(self) -> VisionWeights:
        """The tower in the weight file's folder.

        Raises:
            WeightsNotFoundError: A file is missing.
            WeightsError: A file is damaged or of another model.
        """
        found = self._described()
        return found.arrange(Tensors(read_weights(self._weights, found.prefixes), str(self._weights)))

    def _described(self) -> Described:
        """What the settings say, if that is the model that is meant."""
        found = self.layout.describe(self._weights.parent)
        expect(self.spec, found, self._weights.parent)
        return found


def read_weights(path: Path, prefixes: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a weight file of either format, by name.

    Args:
        path: The file.
        prefixes: What the names of those that are wanted begin with.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is damaged.
    """
    read = read_safetensors if path.suffix == ".safetensors" else read_tensors
    return read(path, prefixes)


def expect(spec: ModelSpec, found: Described, folder: Path) -> None:
    """Refuse another model in the place of the one that is meant: a head trusts the name of an embedding.

    Raises:
        WeightsError: The length of its embedding, its view or its patches are others.
    """
    tower = found.tower
    # which of two middles a crop takes no settings say: it is the habit of whoever published them
    facts = (
        (f"gives embeddings of {tower.dimension} numbers", f"of {spec.dimension}", tower.dimension == spec.dimension),
        (f"resizes {words(found.view)}", words(spec.view), replace(found.view, centre=spec.view.centre) == spec.view),
        (f"cuts patches of {tower.patch} pixels", f"of {spec.patch}", spec.patch in {0, tower.patch}),
    )
    for there, meant, same in facts:
        if not same:
            raise WeightsError(
                f"the model that lies here {there}, {spec.name} {meant}",
                where=str(folder),
                cause="the files of another model lie in its place",
            )
