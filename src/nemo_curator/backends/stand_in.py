"""Executors of engines that are not there run on the local one, and say so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from nemo_curator.backends.local import LocalExecutor

# Settings that mean something on this machine; engine settings such as `ignore_failures` or `mode` do not.
_KNOWN = ("num_workers", "image_seconds", "image_memory", "model_seconds")


class StandInExecutor(LocalExecutor):
    """A local executor under another engine's name; warns once each time it is made.

    Attributes:
        engine: The engine that the pipeline asked for.
    """

    engine: ClassVar[str] = ""

    def __init__(self, config: Mapping[str, Any] | None = None, **_engine_settings: Any) -> None:
        given = dict(config or {})
        super().__init__({name: given[name] for name in _KNOWN if name in given})
        warnings.warn(
            f"{type(self).__name__}: this release has no executor on {self.engine}; the pipeline runs on the local "
            "executor, with the same results",
            stacklevel=2,
        )
