"""Ray, imported when it is used, and told to be quiet before that."""

from __future__ import annotations

import os
from typing import Any

from nemo_curator._optional import require

# what Ray reads when it is imported or started; what the user set stays
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what its native part would write to our standard error
}


def ray_module() -> Any:
    """The module `ray`, with `ray.data` in it.

    Raises:
        MissingExtraError: It is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray = require("ray", extra="ray", purpose="a run on Ray")
    require("ray.data", extra="ray", purpose="a run on Ray")
    return ray
