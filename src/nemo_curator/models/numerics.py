"""How a model is computed: by which runtime, and in which precision."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Literal, cast, get_args

from nemo_curator.errors import ModelError, nearest
from nemo_curator.models.runtimes.cpu import cpu_class, cpu_flags

Runtime = Literal["onnxruntime", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]

PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "fp32")
"""All precisions, the fastest first."""

_BRAIN_FLOATS = {"avx512_bf16", "amx_bf16"}  # CPU flags; without them bf16 is slower than fp32
_WHOLE_NUMBERS = {"avx512_vnni", "avx_vnni", "amx_int8"}


@dataclass(frozen=True, slots=True)
class Numerics:
    """The choices about a model's arithmetic on which the last bits of its outputs depend.

    Attributes:
        runtime: The library that runs it.
        precision: `fp32`: 32-bit floats. `bf16`: 16-bit floats with 8 bits of exponent, sums in 32 bits. `int8`: linear
            layers in 8-bit whole numbers, with scales that depend on one picture alone; the rest in bf16 or fp32.
    """

    runtime: Runtime
    precision: Precision = "fp32"

    def __str__(self) -> str:
        return f"{self.precision} on {self.runtime}"

    def facts(self) -> dict[str, Any]:
        """Plain data for `Numerics(**facts)`."""
        return {"runtime": self.runtime, "precision": self.precision}

    def libraries(self) -> dict[str, str]:
        """The versions of what builds and runs the graph, and the kind of CPU."""
        names = ("numpy", "openvino") if self.runtime == "openvino" else ("numpy", "onnx", "onnxruntime")
        return {name: version(name) for name in names} | {"cpu": cpu_class()}


@cache
def runtimes() -> tuple[Runtime, ...]:
    """The runtimes that are installed, the fastest first."""
    there = importlib.util.find_spec("openvino") is not None and platform.machine().lower() in {"x86_64", "amd64"}
    return ("openvino", "onnxruntime") if there else ("onnxruntime",)


def precisions(runtime: Runtime, known: Sequence[Precision] = PRECISIONS) -> tuple[Precision, ...]:
    """The precisions that a runtime computes on this CPU faster than the next one in the list; `fp32` always.

    Args:
        runtime: The runtime.
        known: Those that a model can be computed in.
    """
    flags = cpu_flags()
    fast: dict[Precision, bool] = {
        "fp32": True,
        "bf16": runtime == "openvino" and not flags.isdisjoint(_BRAIN_FLOATS),
        "int8": not flags.isdisjoint(_WHOLE_NUMBERS),
    }
    return tuple(one for one in PRECISIONS if fast[one] and (one in known or one == "fp32"))


def usable(numerics: Numerics, model: str) -> Numerics:
    """The numerics, if this machine can honour them.

    Raises:
        ModelError: The runtime is not installed, or the precision is not for it or for this CPU.
    """
    if numerics.runtime not in runtimes():
        raise ModelError(
            f"the runtime {numerics.runtime} is not installed",
            where=model,
            act=f"run: pip install 'imagecurator[{numerics.runtime}]', or choose one of {', '.join(runtimes())}",
        )
    there = precisions(numerics.runtime)
    if numerics.precision not in there:
        raise ModelError(
            f"{numerics.precision} is not computed by {numerics.runtime} on this CPU",
            where=model,
            act=f"choose one of {', '.join(there)}",
        )
    return numerics


def choose(known: Sequence[Precision], runtime: str | None, precision: str | None) -> Numerics:
    """The numerics that somebody asked for; what they left open is as in `default`.

    Args:
        known: The precisions that the model can be computed in, besides `fp32`.
        runtime: Name of a runtime, or None.
        precision: Name of a precision, or None.

    Raises:
        ModelError: There is no such runtime or precision, or the model is not computed in it.
    """
    standard = default(known)
    if runtime is not None and runtime not in get_args(Runtime):
        raise ModelError(f"there is no runtime {runtime!r}", act=nearest(runtime, get_args(Runtime)))
    if precision is not None and precision not in {"fp32", *known}:
        raise ModelError(
            f"{precision!r} is no precision that it is computed in", act=nearest(precision, ["fp32", *known])
        )
    if runtime is None and precision is not None:
        # a precision that was asked for is computed by whichever runtime has it
        able = [one for one in (standard.runtime, *runtimes()) if precision in precisions(one, known)]
        runtime = able[0] if able else standard.runtime
    return Numerics(cast("Runtime", runtime or standard.runtime), precision or standard.precision)


def candidates(known: Sequence[Precision], runtime: str | None) -> tuple[Numerics, ...]:
    """What may stand in for full precision on this machine, the fastest first, and full precision itself at the end.

    Args:
        known: The precisions that the model can be computed in, besides `fp32`.
        runtime: The only runtime that may be used; None means the fastest that is installed.
    """
    chosen = cast("Runtime", runtime or runtimes()[0])
    lower = [Numerics(chosen, one) for one in precisions(chosen, known) if one != "fp32"]
    return (*lower, choose(known, runtime, None)) if lower else (choose(known, runtime, None),)


def default(known: Sequence[Precision]) -> Numerics:
    """What is used where nobody chose: full precision, by the fastest runtime for a model of these precisions.

    A model that is known in `fp32` alone is a small convolutional network, which OpenVINO runs no faster.
    """
    return Numerics(runtimes()[0] if known else "onnxruntime")
