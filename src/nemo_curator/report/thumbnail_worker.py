"""The process that decodes for the report: encoded images in on stdin, small JPEG files out on stdout.

A picture that was never decoded during the run may crash or hang a decoder; here it takes this process with it and
nothing else. What is said is in `thumbnail_messages`. The process ends when stdin does.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

import numpy as np
import simplejpeg  # type: ignore[import-untyped]  # ships a stub, but not in the place for one

from nemo_curator.codecs.views import thumbnail
from nemo_curator.errors import CuratorError
from nemo_curator.report.thumbnail_messages import ANSWER, REQUEST, SIDE

_QUALITY = 70  # a seventh larger than WebP that looks the same, in a tenth of the time


def jpeg(data: bytes, side: int = SIDE) -> tuple[bytes, tuple[int, int]]:
    """A thumbnail of an encoded image as JPEG, and its width and height.

    Args:
        data: The encoded image.
        side: Longer side of the thumbnail in pixels.

    Raises:
        SampleError: The bytes do not decode.
    """
    small = thumbnail(data, side)
    file = bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(small), _QUALITY, "RGB", "420"))
    return file, (small.shape[1], small.shape[0])


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        side, length = REQUEST.unpack(head)
        try:
            picture, (width, height) = jpeg(requests.read(length), side)
            answers.write(ANSWER.pack(True, width, height, len(picture)) + picture)
        except Exception as error:  # noqa: BLE001  whatever it is, the parent shows a placeholder
            sentence = error.what if isinstance(error, CuratorError) else f"{type(error).__name__}: {error}"
            text = sentence.encode("utf-8", "replace")
            answers.write(ANSWER.pack(False, 0, 0, len(text)) + text)
        answers.flush()


def main() -> None:
    """Serve on stdin and stdout.

    What a library prints goes to stderr, so that it is not taken for an answer.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
