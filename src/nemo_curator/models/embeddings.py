"""What a head is given: rows of embeddings, as NumPy or torch hands them over."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def as_rows(embeddings: Any, width: int) -> npt.NDArray[np.float32]:
    """Embeddings as a float32 array in C order.

    Args:
        embeddings: `(N, width)`, a NumPy array, a torch tensor on any device, or nested lists.
        width: Length of one embedding.

    Returns:
        `(N, width)`; a row with NaN or infinity is NaN throughout, so that no score can be computed from it.

    Raises:
        ValueError: The shape is another.
    """
    if hasattr(embeddings, "detach"):  # a torch tensor, told apart without importing torch
        embeddings = embeddings.detach().cpu().float().numpy()
    rows = np.ascontiguousarray(embeddings, np.float32)
    if rows.size == 0:
        rows = rows.reshape(0, width)
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ValueError(f"expected embeddings of shape (N, {width}), got {rows.shape}")
    unusable = np.logical_not(np.isfinite(rows)).any(axis=1, keepdims=True)
    return np.where(unusable, np.float32(np.nan), rows) if unusable.any() else rows
