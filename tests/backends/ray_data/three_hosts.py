"""A run on a cluster of three hosts, one of which dies in the middle: `python three_hosts.py INPUT OUTPUT RECIPE MARK`.

The hosts are simulated by Ray's own means, each with one core. One is marked: what is begun there never ends by itself.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}

import ray
from ray.cluster_utils import Cluster
from tests.backends.ray_data.doomed import MARK

from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe_text import parse_recipe

STORE = 80_000_000


def main(given: str, output: str, recipe: str, mark: str) -> None:
    """Start the hosts, run, and end one host once something is under way on it."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE})
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    os.environ[MARK] = mark
    doomed = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    del os.environ[MARK]
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False)

    def kill() -> None:
        while not Path(mark).exists():
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)
        Path(mark + "-dead").touch()

    threading.Thread(target=kill, daemon=True).start()
    curate([given], output, parse_recipe(Path(recipe).read_text(encoding="utf-8")), executor="ray")


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # the hosts end with this process
