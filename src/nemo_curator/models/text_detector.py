"""Where lines of text are in a picture: the detector of PP-OCR, from weights that a package carries.

The network is PP-OCRv6's small detector (PaddlePaddle authors, Apache-2.0), converted to ONNX by the RapidOCR
authors in the package `rapidocr` (Apache-2.0), of which only this file is read: it is never imported, and OpenCV,
pyclipper and shapely, which it installs, have no part in this.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.text_regions import text_regions
from nemo_curator.models.graph_cache import cached_graph
from nemo_curator.models.onnx_detector import OnnxDetector, padded_size
from nemo_curator.models.published_graph import rewrite_detector

BUILDER_VERSION = 1
_MAP = "fetch_name_0"


class TextDetector(OnnxDetector):
    """Boxes around lines of text, which may lie at an angle."""

    def graph(self) -> bytes:
        """The package's graph with our input, rewritten on first use and cached.

        Raises:
            WeightsError: The graph is not the one that is known.
        """
        return cached_graph(
            "text-detector",
            BUILDER_VERSION,
            self.weights_sha256(),
            lambda: rewrite_detector(
                self._weights.read_bytes(), [_MAP], scale=1 / 127.5, shift=-1.0, where=str(self._weights)
            ),
        )

    def regions(
        self, outputs: dict[str, npt.NDArray[np.float32]], height: int, width: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Corners and scores from the map of probabilities."""
        return text_regions(outputs[_MAP].reshape(padded_size(height, width)), math.sqrt(height * width))
