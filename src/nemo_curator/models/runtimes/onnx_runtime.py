"""ONNX Runtime, imported so that it tells nobody anything."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def onnxruntime() -> Any:
    """The package, imported where it is needed, because it is heavy and only a process that runs models should pay.

    From 1.29 on it writes an identifier of the device and a queue of events into the user's cache when it is imported,
    and sends them, on every system; the variable, which it reads at that moment, is the only thing that keeps it from
    both. The call is for a package that somebody imported before us, and for the older ones on Windows.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    ort: Any = import_module("onnxruntime")
    ort.disable_telemetry_events()
    ort.set_default_logger_severity(4)
    return ort
