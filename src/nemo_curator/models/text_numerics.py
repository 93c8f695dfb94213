"""How text towers are computed: on the CPU, where texts of every length run one by one."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_curator.errors import ModelError
from nemo_curator.models.numerics import Numerics, Precision, Runtime, choose, precisions, runtimes

TEXT_RUNTIMES: tuple[Runtime, ...] = ("openvino", "onnxruntime")
"""The runtimes that text towers are run by, the fastest first."""


def text_numerics(known: Sequence[Precision], runtime: str | None = None, precision: str | None = None) -> Numerics:
    """The numerics that somebody asked for; what they left open is full precision, by the fastest runtime that has it.

    Args:
        known: The precisions that the model can be computed in, besides `fp32`.
        runtime: Name of a runtime, or None.
        precision: Name of a precision, or None.

    Raises:
        ModelError: There is no such runtime or precision, or texts are not computed by it.
    """
    there = [one for one in TEXT_RUNTIMES if one in runtimes()]
    if runtime is None:
        able = [one for one in there if precision is None or precision in precisions(one, known)]
        runtime = (able or there)[0]
    chosen = choose(known, runtime, precision or "fp32")
    if chosen.runtime not in TEXT_RUNTIMES:
        raise ModelError(f"texts are not computed by {chosen.runtime}", act=f"choose {' or '.join(there)}")
    return chosen
