"""What CleanVision says of a picture, where it is installed: scores of 0 to 1, low is worse.

By its own property classes with the parameters that its issue manager gives them, so that nothing goes through files.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Score = Callable[[npt.NDArray[np.uint8]], float]


def installed() -> str:
    """Its version, or "not installed"."""
    try:
        return version("cleanvision")
    except PackageNotFoundError:
        return "not installed"


def counterparts() -> dict[str, Score]:
    """Damage to the score that is meant to find it; empty where CleanVision is not installed."""
    if installed() == "not installed":
        return {}
    from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    manager = ImagePropertyIssueManager()
    issues = {
        "blur": "blurry",
        "rescale": "blurry",
        "dark": "dark",
        "bright": "light",
        "flat": "low_information",
        "aspect": "odd_aspect_ratio",
    }
    return {damage: _score(manager, issue) for damage, issue in issues.items()}


def _score(manager: Any, issue: str) -> Score:
    import pandas as pd

    prop = manager.image_properties[issue]
    parameters = {name: value for name, value in manager.params[issue].items() if name != "threshold"}

    def score(pixels: npt.NDArray[np.uint8]) -> float:
        raw = pd.DataFrame([prop.calculate(Image.fromarray(pixels))])
        return float(prop.get_scores(raw_scores=raw, issue_type=issue, **parameters).iloc[0, 0])

    return score
