"""The process that decodes and encodes for an export: encoded images in on stdin, others out on stdout.

A file that its decoder crashes on or hangs over takes this process with it and nothing else. It ends when stdin does,
and by itself when an image takes longer than it may.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from dataclasses import asdict
from typing import Any, BinaryIO

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.memory import keep_freed_memory
from nemo_curator.codecs.memory_guard import arm
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.codecs.rendering import render
from nemo_curator.codecs.rendition import Encode, Rendition, Resize
from nemo_curator.errors import CuratorError
from nemo_curator.runs.rendering.allowance import allowed, obey
from nemo_curator.runs.rendering.process import READY, REQUEST

ANSWER = struct.Struct("<?8sIIQ")
"""Whether there is an image, its format, width, height and length; else the length of a sentence."""


def as_text(rendition: Rendition) -> str:
    """A rendition on a command line."""
    return json.dumps(asdict(rendition))


def from_text(text: str) -> Rendition:
    """The rendition that `as_text` wrote."""
    given: dict[str, Any] = json.loads(text)
    options = {**given["options"], "background": tuple(given["options"]["background"])}
    return Rendition(
        None if given["resize"] is None else Resize(**given["resize"]),
        Encode(**given["encode"]),
        Limits(**given["limits"]),
        DecodeOptions(**options),
    )


def serve(requests: BinaryIO, answers: BinaryIO, rendition: Rendition) -> None:
    """Answer requests until there are no more."""
    answers.write(READY)
    answers.flush()
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        length, seconds = REQUEST.unpack(head)
        data = requests.read(length)
        try:
            with allowed(seconds):
                made = render(data, rendition)
            answers.write(ANSWER.pack(True, made.format.encode(), made.width, made.height, len(made.data)))
            answers.write(made.data)
        except Exception as error:  # noqa: BLE001  whatever it is, the parent tells of it
            sentence = error.what if isinstance(error, CuratorError) else f"{type(error).__name__}: {error}"
            text = sentence.encode("utf-8", "replace")
            answers.write(ANSWER.pack(False, b"", 0, 0, len(text)) + text)
        answers.flush()


def main() -> None:
    """Serve on stdin and stdout, by the rendition that the first argument says.

    What a library prints goes to stderr, so that it is not taken for an answer.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    keep_freed_memory()
    arm()
    obey()
    serve(sys.stdin.buffer, answers, from_text(sys.argv[1]))


if __name__ == "__main__":
    main()
