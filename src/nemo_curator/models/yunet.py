"""Where faces are in a picture: YuNet, from a weight file that the user brings.

The networks are by Wu, Peng and Yu (MIT), published by libfacedetection.train and by OpenCV's model zoo. They are
run here by ONNX Runtime, at the picture's own size; OpenCV has no part in this.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import WeightsError
from nemo_curator.kernels.face_regions import STRIDES, face_regions
from nemo_curator.models.graph_cache import cached_graph
from nemo_curator.models.onnx_detector import OnnxDetector, Padding, padded_size
from nemo_curator.models.published_graph import rewrite_detector

BUILDER_VERSION = 1
CONFIDENCE = 0.7
"""Least score of a face; see the docs page of the score for what others give."""
_WIDTHS = {"cls": 1, "obj": 1, "bbox": 4}
_HEADS = {f"{head}_{stride}": (head, stride) for head in _WIDTHS for stride in STRIDES}


class YuNet(OnnxDetector):
    """Boxes around faces, level."""

    padding: ClassVar[Padding] = "black"  # as OpenCV pads for it

    def graph(self) -> bytes:
        """The published graph with our input and without the landmarks, rewritten on first use and cached.

        Raises:
            WeightsError: The file is no YuNet.
        """
        return cached_graph(
            "yunet",
            BUILDER_VERSION,
            self.weights_sha256(),
            lambda: rewrite_detector(self._weights.read_bytes(), _HEADS, where=str(self._weights)),
        )

    def regions(
        self, outputs: dict[str, npt.NDArray[np.float32]], height: int, width: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Corners and scores from the three grids.

        Raises:
            WeightsError: The graph's outputs have other shapes than those of YuNet.
        """
        heads: dict[str, npt.NDArray[np.float32]] = {}
        rows, columns = padded_size(height, width)
        for name, (head, stride) in _HEADS.items():
            cells, numbers = (rows // stride) * (columns // stride), _WIDTHS[head]
            if outputs[name].size != cells * numbers:
                raise WeightsError(f"the output {name} has the shape {outputs[name].shape}", where=str(self._weights))
            heads[name] = outputs[name].reshape((cells, numbers) if numbers > 1 else (cells,))
        boxes, scores = face_regions(heads, columns, CONFIDENCE)
        return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2), scores
