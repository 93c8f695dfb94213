"""A pipeline that asks for a share of a GPU, on a host that is said to have one: `python with_a_device.py`.

Prints as JSON how many images came back, and which devices their workers saw.
"""

from __future__ import annotations

import json
import os
import sys

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
os.environ["CUDA_VISIBLE_DEVICES"] = "0"  # tests hide all of them, and Ray gives out those that it sees here

import ray
from tests.contract.stages import Batches, Sources

from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import ImageBatch


class OnDeviceStage(ProcessingStage[ImageBatch, ImageBatch]):
    """Notes on every image which devices its process may use."""

    name = "on_device"
    resources = Resources(cpus=1.0, gpus=0.25)

    def process(self, task):
        """In place."""
        for image in task.data:
            image.metadata["devices"] = os.environ.get("CUDA_VISIBLE_DEVICES")
        return task


def main() -> None:
    """Start Ray, run, and say what was seen."""
    settings = {"num_cpus": 2, "num_gpus": 1, "object_store_memory": 80_000_000}
    ray.init("local", include_dashboard=False, log_to_driver=False, **settings)
    pipeline = Pipeline("devices", stages=[Sources(), Batches(), OnDeviceStage()])
    images = [image for task in pipeline.run(RayDataExecutor()) for image in task.data]
    seen = {"images": len(images), "devices": sorted({image.metadata["devices"] for image in images})}
    sys.stdout.write(json.dumps(seen) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
    os._exit(0)  # the host ends with this process
