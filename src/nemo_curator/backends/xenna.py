"""The name under which pipelines ask for Cosmos-Xenna."""

from __future__ import annotations

from typing import ClassVar

from nemo_curator.backends.ray_data import RayDataExecutor

__all__ = ["XennaExecutor"]


class XennaExecutor(RayDataExecutor):
    """Runs a pipeline that asks for Cosmos-Xenna on Ray Data, with one warning that says so."""

    engine: ClassVar[str] = "Cosmos-Xenna"
    own: ClassVar[bool] = False
