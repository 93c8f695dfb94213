"""What a stage asks for: a share of a CUDA device where there is one."""

from __future__ import annotations

from nemo_curator.models.runtimes.cuda import devices
from nemo_curator.stages.resources import Resources


def cuda_devices() -> int:
    """Number of CUDA devices that this process may use, asked without loading a framework; 0 without a driver."""
    return len(devices())


def gpu_or_cpu(num_gpus: float) -> Resources:
    """`num_gpus` GPUs where CUDA is there, else one CPU core."""
    if cuda_devices() and num_gpus > 0:
        return Resources(cpus=1.0, gpus=num_gpus)
    return Resources(cpus=1.0)
