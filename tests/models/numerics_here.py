"""Every way to compute a tower, and skipping those that this machine has not."""

from __future__ import annotations

import pytest

from nemo_curator.models.numerics import Numerics, precisions, runtimes

EVERY = tuple(
    Numerics(runtime, precision)
    for runtime, known in (("onnxruntime", ("fp32", "int8")), ("openvino", ("fp32", "bf16", "int8")))
    for precision in known
)
"""All runtimes with the precisions that they may have."""

AGREEMENT = {"fp32": 0.99999, "bf16": 0.9995, "int8": 0.999}
"""The cosine with full precision that each must reach."""


def or_skip(numerics: Numerics) -> Numerics:
    """The numerics, or a skip that says what this machine lacks."""
    if numerics.runtime not in runtimes():
        pytest.skip(f"{numerics.runtime} is not installed")
    if numerics.precision not in precisions(numerics.runtime):
        pytest.skip(f"this CPU has no instructions for {numerics.precision}")
    return numerics
