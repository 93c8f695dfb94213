"""The one small picture that all statistics are taken of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels.luma import luma
from nemo_curator.kernels.view import View
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.tasks import ImageObject

# One size for all images, so that scores compare; never enlarged, so that nothing is made up.
STATISTICS_VIEW = View(256, fit="long", filter="box", enlarge=False)


def statistics_luma(image: ImageObject) -> npt.NDArray[np.uint8]:
    """`(H, W)` uint8 brightness (BT.601) of the statistics view."""
    return luma(view_of(image, STATISTICS_VIEW))
