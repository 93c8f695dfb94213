"""Boxes of faces from the outputs of YuNet.

Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research 20, 2023): every
cell of three grids says whether a face is centred there, and where its box lies.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
"""Pixels from one cell to the next in each grid; a picture's sides are multiples of the last."""
OVERLAP = 0.3
"""Two boxes with more of their union in common are one face."""
_MOST = 5000  # boxes that are compared with each other


def face_regions(
    outputs: Mapping[str, Floats], columns: int, confidence: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The boxes of faces that YuNet's outputs show.

    Args:
        outputs: `cls_S` and `obj_S` `(K,)` and `bbox_S` `(K, 4)` for each stride S, cells in reading order.
        columns: Width of the picture in pixels.
        confidence: Least score of a face.

    Returns:
        `(N, 4)` left, top, right, bottom in pixels, and `(N,)` scores; the surest first. A box may reach over the edge.
    """
    boxes, scores = [], []
    for stride in STRIDES:
        sure = np.sqrt(np.clip(outputs[f"cls_{stride}"], 0, 1) * np.clip(outputs[f"obj_{stride}"], 0, 1))
        cells = np.flatnonzero(sure >= confidence)
        box = outputs[f"bbox_{stride}"][cells].astype(np.float64)
        rows, offsets = np.divmod(cells, columns // stride)
        middle = (np.stack([offsets, rows], axis=1) + box[:, :2]) * stride
        half = np.exp(np.minimum(box[:, 2:], 20.0)) * (stride / 2)  # a wild number must not become infinity
        boxes.append(np.concatenate([middle - half, middle + half], axis=1))
        scores.append(sure[cells].astype(np.float64))
    return distinct(np.concatenate(boxes), np.concatenate(scores))


def distinct(
    boxes: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Boxes without those that lie on a surer one (greedy non-maximum suppression); the surest first.

    Args:
        boxes: `(N, 4)` left, top, right, bottom.
        scores: `(N,)`; of equal ones the first counts as surer.
    """
    order = np.argsort(-scores, kind="stable")[:_MOST]
    boxes, scores = boxes[order], scores[order]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left):
        one, rest = left[0], left[1:]
        kept.append(int(one))
        sides = np.minimum(boxes[one, 2:], boxes[rest, 2:]) - np.maximum(boxes[one, :2], boxes[rest, :2])
        common = np.prod(np.maximum(sides, 0), axis=1)
        left = rest[common <= OVERLAP * (areas[one] + areas[rest] - common)]
    return boxes[kept], scores[kept]
