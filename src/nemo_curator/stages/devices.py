"""Whether this machine has a CUDA device, asked without loading a framework."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from nemo_curator.stages.resources import Resources


@functools.cache
def cuda_devices() -> int:
    """Number of CUDA devices that this process may use, from the driver's own file system; 0 without a driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    present = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    if visible is None:
        return present
    return min(present, len([part for part in visible.split(",") if part.strip() not in ("", "-1")]))


def gpu_or_cpu(num_gpus: float) -> Resources:
    """`num_gpus` GPUs where CUDA is there, else one CPU core."""
    if cuda_devices() and num_gpus > 0:
        return Resources(cpus=1.0, gpus=num_gpus)
    return Resources(cpus=1.0)
