"""What a stage asks of the machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Resources:
    """Resources of one worker of a stage.

    Attributes:
        cpus: CPU cores.
        gpu_memory_gb: GPU memory in GB, for a stage that shares one GPU. Excludes `gpus`.
        gpus: Number of GPUs; a fraction shares one. Excludes `gpu_memory_gb`.

    Raises:
        ValueError: Both GPU fields are given.
    """

    cpus: float = 1.0
    gpu_memory_gb: float = 0.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        """Refuse the two ways to ask for a GPU at once."""
        if self.gpus > 0 and self.gpu_memory_gb > 0:
            raise ValueError("Resources takes gpus or gpu_memory_gb, not both: they are two ways to ask for one thing")

    @property
    def requires_gpu(self) -> bool:
        """Whether any GPU is asked for."""
        return self.gpus > 0 or self.gpu_memory_gb > 0
