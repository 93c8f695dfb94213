"""Which pixels the reader must provide."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from nemo_curator.kernels.view import View
from nemo_curator.planning.reading import plan_reading
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.declarations import Needs

SMALL, LARGE = View(32), View(64)


@dataclass
class Stage(ProcessingStage):
    """A stage that declares something."""

    declared: Needs | None = None

    def needs(self):
        """What was given."""
        return self.declared

    def process(self, task):
        """Nothing."""
        return task


END = Needs(returns_images=False)
CASES = {
    "views once, in order of first asking": (
        [Needs(views=(LARGE, SMALL)), Needs(views=(SMALL,)), END], (LARGE, SMALL), False
    ),
    "headers alone decode nothing": ([Needs(), END], (), False),
    "the full picture where asked for": ([Needs(pixels=True), END], (), True),
    "the full picture where nothing is declared": ([None, Needs(views=(SMALL,)), END], (SMALL,), True),
    "the full picture where the caller gets the images": ([Needs(views=(SMALL,))], (SMALL,), True),
    "the full picture for a reader alone": ([], (), True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_cut(case):
    """Only what somebody asked for is cut; the full picture stays where a stage or the caller may look at it."""
    declared, views, pixels = CASES[case]
    reading = plan_reading([Stage(needs) for needs in declared])
    assert (reading.views, reading.pixels) == (views, pixels)
    assert reading.decodes == (pixels or bool(views))
