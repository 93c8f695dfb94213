"""The name under which pipelines ask for Cosmos-Xenna."""

from __future__ import annotations

from nemo_curator.backends.stand_in import StandInExecutor

__all__ = ["XennaExecutor"]


class XennaExecutor(StandInExecutor):
    """Runs a pipeline that asks for Cosmos-Xenna on the local executor, with one warning that says so."""

    engine = "Cosmos-Xenna"
