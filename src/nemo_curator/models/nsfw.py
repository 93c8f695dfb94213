"""The LAION NSFW score, from CLIP ViT-L/14 embeddings.

Weights: LAION's CLIP-based-NSFW-Detector (MIT), a small network: normalisation, 768, 64, 512, 256, 1, ReLU between
the layers and a sigmoid at the end.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.embeddings import as_rows
from nemo_curator.models.hub import fetch
from nemo_curator.models.runtimes.cpu import array_libraries
from nemo_curator.models.spec import PublishedFile, UserWeights
from nemo_curator.models.torch_file import read_tensors
from nemo_curator.models.weights import expect_shapes, weights_sha256

MODEL_ID = "laion/clip-autokeras-binary-nsfw"
_FILE = "clip_autokeras_binary_nsfw.pth"
SOURCE = UserWeights(
    f"{MODEL_ID}/{_FILE}",
    # there is an older archive of the same name in the project's tree, with weights for Keras
    "the archive clip_autokeras_binary_nsfw.zip of LAION's project CLIP-based-NSFW-Detector",
    files=(PublishedFile(_FILE),),
    address="https://github.com/LAION-AI/CLIP-based-NSFW-Detector/files/10250461/clip_autokeras_binary_nsfw.zip",
)
"""The weights: where they are published, and their place under `model_dir`."""

_WIDTH = 768
_INNER = (64, 512, 256, 1)
_LEAST_DEVIATION = 1e-7  # Keras' guard against a feature that never varied

Layer = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


class NSFWScorer:
    """The probability that an image is not safe for work.

    Args:
        model_dir: Directory with `laion/clip-autokeras-binary-nsfw/clip_autokeras_binary_nsfw.pth`.
        weights_path: The weight file itself; `model_dir` is then not looked at.
    """

    def __init__(
        self, model_dir: str | os.PathLike[str] | None = None, weights_path: str | os.PathLike[str] | None = None
    ) -> None:
        self.model_dir = model_dir
        self.weights_path = weights_path
        self._network: Network | None = None

    @classmethod
    def model_id_names(cls) -> list[str]:
        """The ids of the weights, as they are laid out under `model_dir`."""
        return [MODEL_ID]

    @classmethod
    def download_weights_on_node(cls, model_dir: str | os.PathLike[str] | None) -> None:
        """Check that the weights are in `model_dir`; they are on no hub and have to be put there once.

        Raises:
            WeightsNotFoundError: They are not there; the message says which file to put where.
        """
        fetch(SOURCE, model_dir)

    @classmethod
    def provenance(
        cls, model_dir: str | os.PathLike[str] | None, weights_path: str | os.PathLike[str] | None = None
    ) -> dict[str, Any]:
        """Which weights these are, and what computes with them.

        Raises:
            WeightsNotFoundError: They are missing.
        """
        path = Path(weights_path) if weights_path is not None else SOURCE.find(model_dir)
        return {"model": {"name": MODEL_ID, "weights": weights_sha256(path)}, "libraries": array_libraries()}

    def setup(self) -> None:
        """Load the weights.

        Raises:
            WeightsNotFoundError: The file is not there.
            WeightsError: The file is damaged, of another model, or holds more than plain tensors.
        """
        path = Path(self.weights_path) if self.weights_path is not None else SOURCE.find(self.model_dir)
        self._network = read_network(path, _WIDTH)

    def __call__(self, embeddings: Any) -> npt.NDArray[np.float32]:
        """Scores for unit-norm CLIP ViT-L/14 embeddings.

        Args:
            embeddings: `(N, 768)`, a NumPy array or a torch tensor.

        Returns:
            `(N,)` float32 from 0 (safe) to 1; a row's score does not depend on the other rows, to the last bit.

        Raises:
            ModelError: `setup` was not called.
            ValueError: The shape is another.
        """
        if self._network is None:
            raise ModelError("NSFWScorer was called before setup()")
        return self._network(as_rows(embeddings, _WIDTH))


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Normalisation, layers with ReLU between them, and a sigmoid at the end.

    Attributes:
        mean: Of each feature.
        deviation: Of each feature.
        layers: Weight `(outputs, inputs)` and bias `(outputs,)` of each layer.
    """

    mean: npt.NDArray[np.float32]
    deviation: npt.NDArray[np.float32]
    layers: tuple[Layer, ...]

    def __call__(self, rows: npt.NDArray[np.float32], /) -> npt.NDArray[np.float32]:
        """A probability for each row of `(N, dimension)`, as `HeadFunction` says."""
        normal = (rows - self.mean) / self.deviation
        logits = np.fromiter((self._logit(row) for row in normal), np.float64, len(normal))
        # exp(-|x|) cannot overflow
        small = np.exp(-np.abs(logits))
        return (np.where(logits >= 0, 1.0, small) / (1.0 + small)).astype(np.float32)

    def _logit(self, row: npt.NDArray[np.float32]) -> float:
        # row by row and without BLAS, which rounds differently for other batch sizes and thread counts; 0.04 ms a row
        *hidden, (last_weight, last_bias) = self.layers
        for weight, bias in hidden:
            row = np.maximum(np.einsum("oi,i->o", weight, row) + bias, np.float32(0))
        return float(np.einsum("oi,i->o", last_weight, row)[0] + last_bias[0])


def read_network(weights: Path, dimension: int) -> Network:
    """The network in a torch file that holds `norm.{mean,variance}` and `linear_{1,2,3,4}.{weight,bias}`.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is damaged, of another model, or holds more than plain tensors.
    """
    expected: dict[str, tuple[int, ...]] = {"norm.mean": (dimension,), "norm.variance": (dimension,)}
    for layer, (width, next_width) in enumerate(pairwise((dimension, *_INNER)), start=1):
        expected |= {f"linear_{layer}.weight": (next_width, width), f"linear_{layer}.bias": (next_width,)}
    tensors = expect_shapes(read_tensors(weights), expected, where=str(weights))
    deviation = np.maximum(np.sqrt(np.maximum(tensors["norm.variance"], 0)), np.float32(_LEAST_DEVIATION))
    numbers = range(1, len(_INNER) + 1)
    layers = tuple((tensors[f"linear_{layer}.weight"], tensors[f"linear_{layer}.bias"]) for layer in numbers)
    return Network(tensors["norm.mean"], deviation, layers)
