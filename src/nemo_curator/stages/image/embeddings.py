"""Embeddings of a batch as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import StageError
from nemo_curator.stages.image.pixels import as_array
from nemo_curator.tasks import ImageObject


def stack_embeddings(images: Sequence[ImageObject], stage: str) -> npt.NDArray[np.float32]:
    """The images' embeddings as `(N, D)` float32.

    Raises:
        StageError: An image has no embedding, because no embedding stage ran before `stage`.
    """
    for image in images:
        if image.embedding is None:
            raise StageError(
                f"stage {stage!r} needs embeddings, and image {image.image_id!r} has none",
                cause="no embedding stage ran before it",
                act="put an embedding stage, such as ImageEmbeddingStage, before it",
            )
    return np.stack([as_array(image.embedding) for image in images]).astype(np.float32, copy=False)
