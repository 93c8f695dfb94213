"""A score that ends with its host: on one that is marked, it says that it was begun, and waits for the end."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nemo_curator.stages.declarations import Column, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage

MARK = "IMAGECURATOR_TEST_DOOMED"
"""Environment variable: a file to make, where the host is going to die."""


@dataclass
class DoomedStage(BaseFilterStage):
    """The length of the id."""

    _name: str = "doomed"
    columns: ClassVar[tuple[Column, ...]] = (Column("doomed_score"),)

    def needs(self):
        """Nothing but the id."""
        return Needs()

    def score(self, images):
        """Not on a host that is marked."""
        mark = os.environ.get(MARK)
        if mark:
            Path(mark).touch()
            time.sleep(600)
        return np.array([len(image.image_id) for image in images], np.float32)
