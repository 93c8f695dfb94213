"""Which pixels the reader must provide, from what the stages after it declare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nemo_curator.kernels.view import View
from nemo_curator.stages.base import ProcessingStage


@dataclass(frozen=True, slots=True)
class Reading:
    """What is cut from an image's one decode.

    Attributes:
        views: Every distinct view that a stage asked for, in order of first asking.
        pixels: Whether the full picture stays in `image_data`.
    """

    views: tuple[View, ...]
    pixels: bool

    @property
    def decodes(self) -> bool:
        """Whether any pixel is needed at all."""
        return self.pixels or bool(self.views)


def plan_reading(stages: Sequence[ProcessingStage[Any, Any]]) -> Reading:
    """What the reader must provide for the stages that come after it.

    The full picture is kept where a stage asks for it or declares nothing, and where the last stage returns images
    to the caller, who may look at them.
    """
    needs = [stage.needs() for stage in stages]
    views = dict.fromkeys(view for need in needs if need is not None for view in need.views)
    undeclared = any(need is None or need.pixels for need in needs)
    returned = not needs or needs[-1] is None or needs[-1].returns_images
    return Reading(tuple(views), undeclared or returned)
