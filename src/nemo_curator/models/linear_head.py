"""LAION's first aesthetic predictor: one linear layer on the embedding of a CLIP image tower.

Weights: `sa_0_4_vit_{b_32,b_16,l_14}_linear.pth` of LAION's project aesthetic-predictor (MIT), state dicts of one
`Linear` layer, trained on about 4,000 synthetic pictures that people rated from 0 to 10.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nemo_curator.models.affine import Affine
from nemo_curator.models.torch_file import read_tensors
from nemo_curator.models.weights import expect_shapes


def read_linear(weights: Path, dimension: int) -> Affine:
    """The layer in a torch file that holds `weight` `(1, dimension)` and `bias` `(1,)`.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: It is damaged, of another model, or holds more than plain tensors.
    """
    expected = {"weight": (1, dimension), "bias": (1,)}
    layer = expect_shapes(read_tensors(weights), expected, where=str(weights))
    return Affine(layer["weight"][0].astype(np.float64), np.float64(layer["bias"][0]))
