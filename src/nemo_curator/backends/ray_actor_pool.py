"""The name under which pipelines ask for a pool of Ray actors."""

from __future__ import annotations

from nemo_curator.backends.ray_data import RayDataExecutor

__all__ = ["RayActorPoolExecutor"]


class RayActorPoolExecutor(RayDataExecutor):
    """Runs a pipeline on a pool of Ray actors, which is what `RayDataExecutor` does."""
