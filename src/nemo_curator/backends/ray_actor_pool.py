"""The name under which pipelines ask for a pool of Ray actors."""

from __future__ import annotations

from nemo_curator.backends.stand_in import StandInExecutor

__all__ = ["RayActorPoolExecutor"]


class RayActorPoolExecutor(StandInExecutor):
    """Runs a pipeline that asks for a pool of Ray actors on the local executor, with one warning that says so."""

    engine = "a pool of Ray actors"
