"""A score that says when it was first computed: how long a run takes to its first image."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.tasks import ImageObject

PLACE = "FIRST_SCORE"
"""Variable of the environment with the file that the time is written to."""


@dataclass
class FirstScoreStage(BaseFilterStage):
    """Zero for every image. It is a model by its cost class, so that all other scores of an image come before it."""

    _name: str = "image_first_filter"

    def setup(self, _worker_metadata: object = None) -> None:
        """Nothing has been scored yet."""
        self._place: Path | None = Path(os.environ[PLACE])

    def score(self, images: list[ImageObject]) -> np.ndarray:
        """Write down the time of the first call, in seconds of the clock that all processes of a host share."""
        if self._place is not None and not self._place.exists():
            self._place.write_text(str(time.monotonic()))
        self._place = None
        return np.zeros(len(images), np.float32)
