"""The two small pictures that statistics are taken of, and what several of them stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from nemo_curator.kernels import luma as kernel
from nemo_curator.kernels.view import View
from nemo_curator.stages.image.pixels import view_of
from nemo_curator.tasks import ImageObject

# One size for all images, so that scores compare; never enlarged, so that nothing is made up.
STATISTICS_VIEW = View(256, fit="long", filter="box", enlarge=False)

# What reducing wipes out (noise, slight blur, JPEG blocks) is looked for in the middle of the picture as it is.
NATIVE_VIEW = View(256, fit="none", crop=256)

T = TypeVar("T")


def statistics_rgb(image: ImageObject) -> npt.NDArray[np.uint8]:
    """`(H, W, 3)` uint8, the statistics view."""
    return view_of(image, STATISTICS_VIEW)


def statistics_luma(image: ImageObject) -> npt.NDArray[np.uint8]:
    """`(H, W)` uint8 brightness (BT.601) of the statistics view; computed once an image."""
    return once(image, "statistics_luma", lambda: kernel.luma(statistics_rgb(image)))


def statistics_histogram(image: ImageObject) -> npt.NDArray[np.int64]:
    """`(256,)` pixels of each brightness in the statistics view; computed once an image."""
    return once(image, "statistics_histogram", lambda: kernel.histogram(statistics_luma(image)))


def native_luma(image: ImageObject) -> npt.NDArray[np.uint8]:
    """`(H, W)` uint8 brightness (BT.601) of the native view; computed once an image."""
    return once(image, "native_luma", lambda: kernel.luma(view_of(image, NATIVE_VIEW)))


def once(image: ImageObject, name: str, compute: Callable[[], T]) -> T:
    """What was computed of an image's views under that name, or is computed and kept now."""
    if name not in image.derived:
        image.derived[name] = compute()
    return cast("T", image.derived[name])
