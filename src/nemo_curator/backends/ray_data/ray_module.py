"""Ray, imported when it is used, and told to be quiet before that."""

from __future__ import annotations

import os
import secrets
from typing import Any

from nemo_curator._optional import require

# what Ray reads when it is imported or started; what the user set stays
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what its native part would write to our standard error
}

_TOKEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")  # by which a user says who may use a cluster


def token_of_our_own() -> None:
    """Let a cluster that is started for this process alone have a token, unless the user has one or wants none.

    Ray would write one below the home directory, and every cluster that is started there later would ask for it.
    """
    unwanted = os.environ.get("RAY_AUTH_MODE") == "disabled"
    at_home = os.path.exists(os.path.expanduser("~/.ray/auth_token"))  # noqa: PTH110, PTH111  these never raise
    if not unwanted and not at_home and not any(name in os.environ for name in _TOKEN):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


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
