"""Embeddings of a batch as one array, and one embedding as a run keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import EmbeddingError, StageError
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


STORED_AS = "float16"
"""Type of the numbers of stored embeddings."""


def as_stored(embedding: Any) -> npt.NDArray[np.float32]:
    """An embedding with what storing it loses lost already: rounded to 16-bit floats, and wide again.

    Args:
        embedding: `(D,)`, a NumPy array, a torch tensor, or numbers.

    Returns:
        `(D,)` float32; rounded once more, it stays what it is.

    Raises:
        EmbeddingError: It holds NaN, infinity, or a number beyond 65,504; of a vector of unit norm none does.
    """
    with np.errstate(over="ignore"):  # what overflows is told below
        half = np.asarray(as_array(embedding)).astype(STORED_AS)
    if not np.isfinite(half).all():
        raise EmbeddingError("an embedding holds NaN, infinity, or a number that 16-bit floats cannot hold")
    return half.astype(np.float32)
