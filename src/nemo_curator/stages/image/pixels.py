"""The picture that a stage asked for, however the image came by its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.encode import encode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.kernels.view import View
from nemo_curator.tasks import ImageObject


def full_picture(image: ImageObject) -> npt.NDArray[Any]:
    """The image's `(H, W, 3)` uint8 RGB pixels: those it has, or its bytes decoded.

    Pixels of another type or shape, which a stage of a user may set, are what the file shows that a writer makes of
    them: grey becomes RGB, transparency is laid on the background, floats up to 1.0 become 0 to 255.

    Raises:
        DecodeError: Its bytes do not decode.
        ValueError: It has neither pixels nor bytes, or pixels that are no picture.
    """
    if image.image_data is not None:
        pixels = np.asarray(image.image_data)
        if pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size:
            return pixels
        data, _ = encode(pixels)
        return decode(data, probe(data))
    if image.encoded is None:
        raise ValueError(f"image {image.image_id!r} has neither pixels nor bytes: a stage before this one removed both")
    return decode(image.encoded, image.header or probe(image.encoded))


def view_of(image: ImageObject, view: View) -> npt.NDArray[np.uint8]:
    """One view of an image: the one cut when it was read, or one cut now and kept."""
    if view not in image.views:
        image.views.update(cut(full_picture(image), [view]))
    return image.views[view]


def stack(images: Sequence[ImageObject], view: View) -> npt.NDArray[np.uint8]:
    """One view of several images as one `(N, h, w, 3)` array."""
    return np.stack([view_of(image, view) for image in images])


def as_array(values: object) -> npt.NDArray[Any]:
    """A model's answer as a NumPy array, be it one already or a torch tensor on any device."""
    detach = getattr(values, "detach", None)
    if detach is not None:
        values = detach().cpu().float().numpy()
    return np.asarray(values)
