"""The LAION aesthetic score, from CLIP ViT-L/14 embeddings.

The head is five affine layers without activations between them, hence one affine map: it is collapsed to one vector
and one number when it is loaded. Weights: `ttj/sac-logos-ava1-l14-linearMSE` (Apache-2.0), trained on human ratings
from about 1 to 10.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.affine import Affine
from nemo_curator.models.embeddings import as_rows
from nemo_curator.models.hub import fetch
from nemo_curator.models.published import hub_weights
from nemo_curator.models.runtimes.cpu import array_libraries
from nemo_curator.models.weights import expect_shapes, read_safetensors, weights_sha256

MODEL_ID = "ttj/sac-logos-ava1-l14-linearMSE"
SOURCE = hub_weights(MODEL_ID, "model.safetensors", model=MODEL_ID.rpartition("/")[2])
"""The weights: where they are published, and their place under `model_dir`."""

_WIDTH = 768
_NARROWER = (1024, 128, 64, 16, 1)
_LAYERS = (0, 2, 4, 6, 7)  # the numbers between belong to dropout, which does nothing here


class AestheticScorer:
    """Scores how much people like an image, on a scale of about 1 to 10.

    Args:
        model_dir: Directory with `ttj/sac-logos-ava1-l14-linearMSE/model.safetensors`.
    """

    def __init__(self, model_dir: str | os.PathLike[str] | None = None) -> None:
        self.model_dir = model_dir
        self._head: Affine | None = None

    @classmethod
    def model_id_names(cls) -> list[str]:
        """The ids of the weights on the model hub."""
        return [MODEL_ID]

    @classmethod
    def download_weights_on_node(cls, model_dir: str | os.PathLike[str] | None) -> None:
        """Fetch the weights into `model_dir`, unless they are there.

        Raises:
            WeightsNotFoundError: They cannot be fetched; the message says which file to put where.
        """
        fetch(SOURCE, model_dir)

    @classmethod
    def provenance(cls, model_dir: str | os.PathLike[str] | None) -> dict[str, Any]:
        """Which weights these are, and what computes with them; nothing is fetched for that.

        Raises:
            WeightsNotFoundError: They are missing.
        """
        path = SOURCE.find(model_dir)
        return {"model": {"name": MODEL_ID, "weights": weights_sha256(path)}, "libraries": array_libraries()}

    def setup(self) -> None:
        """Load the weights.

        Raises:
            WeightsNotFoundError: The file is not under `model_dir`.
            WeightsError: The file is damaged or of another model.
        """
        self._head = read_layers(SOURCE.find(self.model_dir), _WIDTH)

    def __call__(self, embeddings: Any) -> npt.NDArray[np.float32]:
        """Scores for unit-norm CLIP ViT-L/14 embeddings.

        Args:
            embeddings: `(N, 768)`, a NumPy array or a torch tensor.

        Returns:
            `(N,)` float32, about 1 to 10; a row's score does not depend on the other rows, to the last bit.

        Raises:
            ModelError: `setup` was not called.
            ValueError: The shape is another.
        """
        if self._head is None:
            raise ModelError("AestheticScorer was called before setup()")
        return self._head(as_rows(embeddings, _WIDTH))


def read_layers(weights: Path, dimension: int) -> Affine:
    """The head in a safetensors file, its layers collapsed to one.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is damaged or of another model.
    """
    vector, bias = collapse(read_safetensors(weights), dimension, where=str(weights))
    return Affine(vector.astype(np.float64), np.float64(bias))


def collapse(
    tensors: Mapping[str, npt.NDArray[Any]], dimension: int = _WIDTH, where: str = ""
) -> tuple[npt.NDArray[np.float32], np.float32]:
    """The head's five affine layers as one, computed in float64.

    Args:
        tensors: `layers.{0,2,4,6,7}.{weight,bias}`.
        dimension: Length of an embedding.
        where: The file, for error messages.

    Returns:
        A vector `(dimension,)` and a bias.

    Raises:
        WeightsError: A tensor is missing or has another shape.
    """
    expected: dict[str, tuple[int, ...]] = {}
    for layer, width, narrower in zip(_LAYERS, (dimension, *_NARROWER), _NARROWER, strict=False):
        expected |= {f"layers.{layer}.weight": (narrower, width), f"layers.{layer}.bias": (narrower,)}
    layers = expect_shapes(tensors, expected, where=where)
    vector, bias = np.ones((1, 1)), np.zeros(1)
    for layer in reversed(_LAYERS):
        bias = bias + vector @ layers[f"layers.{layer}.bias"].astype(np.float64)
        vector = vector @ layers[f"layers.{layer}.weight"].astype(np.float64)
    return vector[0].astype(np.float32), np.float32(bias[0])
