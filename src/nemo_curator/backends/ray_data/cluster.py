"""The cluster that a run is on: joined where there is one, started on this machine where there is none.

Owned by the driver's main thread. A cluster that was started here ends with this process; until then the next run in
the same process uses it again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from nemo_curator._optional import require
from nemo_curator.cores import usable_cores
from nemo_curator.errors import StageError
from nemo_curator.planning.seats import Host

# what Ray reads when it is imported or started; what the user set stays
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to anybody
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what its native part would write to our standard error
}
_STORE = (
    256_000_000  # bytes of the object store of a cluster that is started here: it holds lists of files, and results
)


def ray_module() -> Any:
    """Ray, told to be quiet before it is imported.

    Raises:
        MissingExtraError: It is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray = require("ray", extra="ray", purpose="a run on Ray")
    require("ray.data", extra="ray", purpose="a run on Ray")
    return ray


def join(address: str | None = None, runtime_env: Mapping[str, Any] | None = None) -> Any:
    """Connect this process to a cluster, unless it is connected; one is started here where none is named.

    Args:
        address: Of the cluster, as `host:port`, or `auto` for the one of this machine; by default what the environment
            variable `RAY_ADDRESS` says.
        runtime_env: Ray's own: environment variables or packages of the actors.

    Returns:
        The module `ray`.

    Raises:
        MissingExtraError: Ray is not installed.
        StageError: There is no cluster at that address.
    """
    ray = ray_module()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        return ray
    address = address or os.environ.get("RAY_ADDRESS")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if runtime_env:
        settings["runtime_env"] = dict(runtime_env)
    if not address or address == "local":
        settings |= {"address": "local", "num_cpus": usable_cores(), "object_store_memory": _STORE}
        settings |= {"include_dashboard": False}
    else:
        settings |= {"address": address}
    try:
        ray.init(**settings)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise StageError(
            "no Ray cluster answers" if address else "no Ray cluster could be started on this machine",
            where=address or "",
            cause=" ".join(f"{error}".split())[:300],
            act="start one with `ray start --head`, name its address with --ray-address, or run without --executor ray",
        ) from error
    return ray


def hosts(ray: Any) -> list[Host]:
    """The hosts of the cluster that are alive."""
    alive = (node["Resources"] for node in ray.nodes() if node["Alive"])
    return [Host(float(one.get("CPU", 0)), float(one.get("GPU", 0))) for one in alive]
