"""The name under which pipelines ask for Ray Data."""

from __future__ import annotations

from nemo_curator.backends.stand_in import StandInExecutor

__all__ = ["RayDataExecutor"]


class RayDataExecutor(StandInExecutor):
    """Runs a pipeline that asks for Ray Data on the local executor, with one warning that says so."""

    engine = "Ray Data"
