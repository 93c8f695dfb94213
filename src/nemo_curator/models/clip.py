"""CLIP image embeddings from the weights that users of the public API already have."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.clip_config import clip_view
from nemo_curator.models.hub import fetch
from nemo_curator.models.layouts import clip as clip_layout
from nemo_curator.models.layouts.layout import Layout
from nemo_curator.models.numerics import PRECISIONS, Numerics, default
from nemo_curator.models.outlines import expect_tower
from nemo_curator.models.published import hub_weights
from nemo_curator.models.published_tower import PublishedTower, read_weights
from nemo_curator.models.remedies import with_remedy
from nemo_curator.models.request import Pace
from nemo_curator.models.runtimes.session import Session
from nemo_curator.models.tower_model import open_vision, unit_rows
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionWeights
from nemo_curator.models.weights import settings_sha256, weights_sha256

MODEL_ID = "openai/clip-vit-large-patch14"
SOURCE = hub_weights(MODEL_ID, "model.safetensors", model=MODEL_ID.rpartition("/")[2])
"""The weights: where they are published, and their place under `model_dir`."""


class ClipVisionTower(PublishedTower):
    """CLIP behind the registry: pictures already cut to the view, embeddings of unit L2 norm."""

    @property
    def layout(self) -> Layout:
        """That of Hugging Face, also of files that do not say so."""
        return clip_layout.LAYOUT


class CLIPImageEmbeddings:
    """CLIP ViT-L/14 image embeddings, or those of any CLIP that lies in its place.

    Args:
        model_dir: Directory with `openai/clip-vit-large-patch14/{config.json,model.safetensors,…}`.
        threads: Threads that one call may use.
        numerics: How it is computed; None leaves it to `numerics.default`.
    """

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        threads: int = 1,
        numerics: Numerics | None = None,
    ) -> None:
        self.model_dir = model_dir
        self._threads = threads
        self._numerics = numerics
        self._session: Session | None = None

    @classmethod
    def model_id_names(cls) -> list[str]:
        """The ids of the weights on the model hub."""
        return [MODEL_ID]

    @classmethod
    def download_weights_on_node(cls, model_dir: str | os.PathLike[str] | None) -> None:
        """Fetch the weights into `model_dir`, unless they are there.

        Raises:
            WeightsNotFoundError: They cannot be fetched; the message says which files to put where.
        """
        fetch(SOURCE, model_dir)

    @classmethod
    def provenance(cls, model_dir: str | os.PathLike[str] | None, numerics: Numerics | None = None) -> dict[str, Any]:
        """Which weights and settings these are, and what computes with them; nothing is fetched for that.

        Raises:
            WeightsNotFoundError: They are missing.
            WeightsError: Names and shapes in them are not those that the settings speak of.
        """
        path = SOURCE.find(model_dir)
        with with_remedy(SOURCE, path):
            expect_tower(path, clip_layout.LAYOUT.describe(path.parent))
        chosen = numerics or default(PRECISIONS)
        model = {"name": MODEL_ID, "weights": weights_sha256(path), "settings": settings_sha256(path)}
        return {"model": {**model, **chosen.facts()}, "libraries": chosen.libraries()}

    def setup(self) -> None:
        """Load the weights; a second call does nothing.

        Raises:
            WeightsNotFoundError: A file is not under `model_dir`.
            WeightsError: A file is damaged or of another model.
        """
        if self._session is None:
            path = SOURCE.find(self.model_dir)
            numerics = self._numerics or default(PRECISIONS)
            self._session = open_vision(_read(path), numerics, self._threads, str(path))

    @property
    def pace(self) -> Pace:
        """How it likes to be called, once it is loaded."""
        return Pace(self._session.batch, self._session.lanes) if self._session is not None else Pace()

    def __call__(self, images: Any) -> npt.NDArray[np.float32]:
        """Embeddings of pictures.

        A picture of another size than the model's is resized, its short side to that size with Pillow's antialiased
        bicubic filter, and its centre is cut.

        Args:
            images: A sequence of uint8 RGB `(H, W, 3)`, or one array (or torch tensor) `(N, H, W, 3)`.

        Returns:
            `(N, dimension)` float32, each row of unit L2 norm and independent of the other pictures.

        Raises:
            ModelError: `setup` was not called.
            ValueError: A picture is not uint8 `(H, W, 3)`.
        """
        if self._session is None:
            raise ModelError("CLIPImageEmbeddings was called before setup()")
        if hasattr(images, "detach"):  # a torch tensor, told apart without importing torch
            images = images.detach().cpu().numpy()
        return unit_rows(self._session.run(_views(images, self._session.item_shape), "embedding"))

    def __getstate__(self) -> dict[str, Any]:
        if self._session is not None:
            raise TypeError("CLIPImageEmbeddings does not pickle after setup(); send it before and load it there")
        return self.__dict__


def _read(weights: Path) -> VisionWeights:
    found = clip_layout.LAYOUT.describe(weights.parent)
    return found.arrange(Tensors(read_weights(weights, found.prefixes), str(weights)))


def _views(images: Sequence[npt.NDArray[np.uint8]], shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    if isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape[1:] == shape:
        return images
    views = np.empty((len(images), *shape), np.uint8)
    for row, image in enumerate(images):
        views[row] = _view(np.asarray(image), shape[0])
    return views


def _view(image: npt.NDArray[Any], side: int) -> npt.NDArray[np.uint8]:
    from PIL import Image  # noqa: PLC0415  only pictures that are no views yet need it

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"expected a picture of uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if image.shape[:2] == (side, side):
        return image
    view = clip_view(side)
    picture = Image.fromarray(image)
    resized = picture.resize(view.resized(*picture.size), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop(view.cropped(*resized.size)))
