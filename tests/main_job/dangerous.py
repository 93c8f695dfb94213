"""Decoders that abort, crash, hang and eat memory, put where the real one for PPM stands.

They stand there in every process that imports this module: in workers, when a recipe names the stage below.
What a file does to its decoder stands in its comment (`P6 # abort`). Every decode is written down in the file that
`DANGEROUS_LOG` names, so that tests can count them.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nemo_curator.codecs.decode import DECODERS, Request
from nemo_curator.codecs.picture import Picture
from nemo_curator.kernels.view import View
from nemo_curator.stages.declarations import Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage

LOG = "DANGEROUS_LOG"
_BLOCK = 16 << 20
_real = DECODERS["*", "*"]
_libc = ctypes.PyDLL(None)  # which keeps Python's lock, as an extension may: nothing else of the process runs


def ppm(word: str, number: int) -> bytes:
    """A small picture that does something to its decoder, or nothing for the word `fine`."""
    return f"P6 # {word} {number}\n8 8\n255\n".encode() + bytes([number % 251]) * 192


def _crash() -> None:
    """A segmentation fault."""
    ctypes.string_at(0)


def _hang() -> None:
    """Wait in native code."""
    _libc.sleep(1000)


def _eat() -> None:
    """Take private memory until the system refuses, as a decoder that believes its header does."""
    taken = []
    while True:
        taken.append(np.ones(_BLOCK, np.uint8))


def _eat_shared() -> None:
    """Take memory of a kind that no bound of the process counts."""
    taken = []
    while True:
        block = mmap.mmap(-1, _BLOCK)
        block.write(b"x" * _BLOCK)
        taken.append(block)


DEEDS = {"abort": os.abort, "crash": _crash, "hang": _hang, "eat": _eat, "eatshared": _eat_shared}


def _decode(request: Request) -> Picture:
    """Do the deed of the comment, then what the real decoder does."""
    word, number = request.data[5:40].split()[:2]
    if LOG in os.environ:
        with Path(os.environ[LOG]).open("a", encoding="ascii") as log:
            log.write(f"{word.decode()} {number.decode()}\n")
    DEEDS.get(word.decode(), lambda: None)()
    return _real(request)


DECODERS["ppm", "*"] = _decode


@dataclass
class FirstPixelFilterStage(BaseFilterStage):
    """Needs pixels, so that images are decoded at all."""

    _name: str = "first_pixel"
    cost: ClassVar[Cost] = Cost.STATISTICS

    def needs(self) -> Needs:
        """A small view."""
        return Needs(views=(View(8),))

    def score(self, images):
        """`(N,)` first red value of each."""
        return np.array([image.views[View(8)][0, 0, 0] for image in images], np.float32)
