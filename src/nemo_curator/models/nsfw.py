"""The LAION NSFW score, from CLIP ViT-L/14 embeddings.

Weights: LAION's CLIP-based-NSFW-Detector (MIT), a small network: normalisation, 768, 64, 512, 256, 1, ReLU between
the layers and a sigmoid at the end.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.embeddings import as_rows
from nemo_curator.models.session import array_libraries
from nemo_curator.models.torch_file import read_tensors
from nemo_curator.models.weights import expect_shapes, find_weights, weights_sha256

MODEL_ID = "laion/clip-autokeras-binary-nsfw"
_FILE = "clip_autokeras_binary_nsfw.pth"
_ORIGIN = "the archive clip_autokeras_binary_nsfw.zip of LAION's project CLIP-based-NSFW-Detector"
_WIDTHS = (768, 64, 512, 256, 1)
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
        self._norm: Layer | None = None
        self._layers: list[Layer] = []

    @classmethod
    def model_id_names(cls) -> list[str]:
        """The ids of the weights, as they are laid out under `model_dir`."""
        return [MODEL_ID]

    @classmethod
    def download_weights_on_node(cls, model_dir: str | os.PathLike[str]) -> None:
        """Check that the weights are in `model_dir`; they are on no hub and have to be put there once.

        Raises:
            WeightsNotFoundError: They are not there; the message says which file to put where.
        """
        _find(model_dir)

    @classmethod
    def provenance(
        cls, model_dir: str | os.PathLike[str] | None, weights_path: str | os.PathLike[str] | None = None
    ) -> dict[str, Any]:
        """Which weights these are, and what computes with them.

        Raises:
            WeightsNotFoundError: They are missing.
        """
        path = Path(weights_path) if weights_path is not None else _find(model_dir)
        return {"model": {"name": MODEL_ID, "weights": weights_sha256(path)}, "libraries": array_libraries()}

    def setup(self) -> None:
        """Load the weights.

        Raises:
            WeightsNotFoundError: The file is not there.
            WeightsError: The file is damaged, of another model, or holds more than plain tensors.
        """
        path = Path(self.weights_path) if self.weights_path is not None else _find(self.model_dir)
        expected: dict[str, tuple[int, ...]] = {"norm.mean": _WIDTHS[:1], "norm.variance": _WIDTHS[:1]}
        for layer, (width, next_width) in enumerate(pairwise(_WIDTHS), start=1):
            expected |= {f"linear_{layer}.weight": (next_width, width), f"linear_{layer}.bias": (next_width,)}
        tensors = expect_shapes(read_tensors(path), expected, where=str(path))
        deviation = np.maximum(np.sqrt(np.maximum(tensors["norm.variance"], 0)), np.float32(_LEAST_DEVIATION))
        self._norm = tensors["norm.mean"], deviation
        self._layers = [
            (tensors[f"linear_{layer}.weight"], tensors[f"linear_{layer}.bias"]) for layer in range(1, len(_WIDTHS))
        ]

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
        if self._norm is None:
            raise ModelError("NSFWScorer was called before setup()")
        mean, deviation = self._norm
        rows = (as_rows(embeddings, _WIDTHS[0]) - mean) / deviation
        logits = np.fromiter((self._logit(row) for row in rows), np.float64, len(rows))
        # exp(-|x|) cannot overflow
        small = np.exp(-np.abs(logits))
        return (np.where(logits >= 0, 1.0, small) / (1.0 + small)).astype(np.float32)

    def _logit(self, row: npt.NDArray[np.float32]) -> float:
        # row by row and without BLAS, which rounds differently for other batch sizes and thread counts; 0.04 ms a row
        *hidden, (last_weight, last_bias) = self._layers
        for weight, bias in hidden:
            row = np.maximum(np.einsum("oi,i->o", weight, row) + bias, np.float32(0))
        return float(np.einsum("oi,i->o", last_weight, row)[0] + last_bias[0])


def _find(model_dir: str | os.PathLike[str] | None) -> Path:
    return find_weights(model_dir, f"{MODEL_ID}/{_FILE}", origin=_ORIGIN)
