"""How a model is computed: by which runtime, in which precision, and on which kind of device."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, cast, get_args

from nemo_curator.errors import ModelError, nearest
from nemo_curator.models.runtimes import cuda
from nemo_curator.models.runtimes.cpu import cpu_class, cpu_flags, matrix_units

Runtime = Literal["onnxruntime", "openvino", "torch"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
Device = Literal["cpu", "cuda"]

PRECISIONS: tuple[Precision, ...] = ("int8", "bf16", "fp16", "fp32")
"""All precisions, the fastest first."""

_BRAIN_FLOATS = {"avx512_bf16", "amx_bf16"}  # CPU flags; without them bf16 is slower than fp32
_WHOLE_NUMBERS = {"avx512_vnni", "avx_vnni", "amx_int8"}
_AMPERE = (8, 0)  # the first compute capability with products in bf16
_ONNX_ON_CUDA = "onnxruntime-gpu"


@dataclass(frozen=True, slots=True)
class Numerics:
    """The choices about a model's arithmetic on which the last bits of its outputs depend.

    Attributes:
        runtime: The library that runs it.
        precision: `fp32`: 32-bit floats. `bf16`: 16-bit floats with 8 bits of exponent, sums in 32 bits. `fp16`: the
            same with 5 bits of exponent, whose numbers are finer and end at 65,504. `int8`: linear layers in 8-bit
            whole numbers, with scales that depend on one picture alone; the rest in bf16 or fp32.
        device: What it runs on.
    """

    runtime: Runtime
    precision: Precision = "fp32"
    device: Device = "cpu"

    def __str__(self) -> str:
        return f"{self.precision} on {self.runtime}" + (f" ({self.device})" if self.device != "cpu" else "")

    def facts(self) -> dict[str, Any]:
        """Plain data for `Numerics(**facts)`."""
        facts = {"runtime": self.runtime, "precision": self.precision}
        # scores that were stored before devices could be chosen stay valid
        return facts if self.device == "cpu" else {**facts, "device": self.device}

    def libraries(self) -> dict[str, str]:
        """The versions of what builds and runs the graph, and the kinds of CPU and CUDA device."""
        found = {name: _version(name) for name in _PACKAGES[self.runtime]} | {"cpu": cpu_class()}
        if self.device == "cpu" and self.precision != "fp32":
            found["cpu"] += matrix_units()
        if self.device == "cuda":
            found["device"] = str(next(iter(cuda.devices()), cuda.CudaDevice()))
        if self.runtime == "torch":
            found["cuda"] = cuda.torch_cuda() or "none"
        return found


_PACKAGES: dict[Runtime, tuple[str, ...]] = {
    "onnxruntime": ("numpy", "onnx", "onnxruntime"),
    "openvino": ("numpy", "openvino"),
    "torch": ("numpy", "torch"),
}


@cache
def runtimes() -> tuple[Runtime, ...]:
    """The runtimes that can be used here, the fastest first: torch only where it finds a CUDA device."""
    there: dict[Runtime, bool] = {
        "torch": not _torch_lacks(),
        "openvino": _there("openvino") and platform.machine().lower() in {"x86_64", "amd64"},
        "onnxruntime": True,
    }
    return tuple(one for one, found in there.items() if found)


def devices(runtime: Runtime) -> tuple[Device, ...]:
    """What a runtime computes on here, the fastest first. On the CPU, torch is left to the others, which are faster."""
    if runtime == "torch":
        return ("cuda",) if "torch" in runtimes() else ()
    on_cuda = runtime == "onnxruntime" and bool(cuda.devices()) and _found(_ONNX_ON_CUDA)
    return ("cuda", "cpu") if on_cuda else ("cpu",)


def precisions(
    runtime: Runtime, known: Sequence[Precision] = PRECISIONS, device: Device | None = None
) -> tuple[Precision, ...]:
    """The precisions that a runtime computes here faster than the next one in the list; `fp32` always.

    Args:
        runtime: The runtime.
        known: Those that a model can be computed in.
        device: On what; None means the CPU, or CUDA for torch.
    """
    if runtime == "torch" or device == "cuda":
        fast = _on_cuda(runtime)
    else:
        flags = cpu_flags()
        fast = {
            "bf16": runtime == "openvino" and not flags.isdisjoint(_BRAIN_FLOATS),
            "int8": not flags.isdisjoint(_WHOLE_NUMBERS),
        }
    return tuple(one for one in PRECISIONS if one == "fp32" or (fast.get(one) and one in known))


def _on_cuda(runtime: Runtime) -> dict[Precision, bool]:
    device = next(iter(cuda.devices()), cuda.CudaDevice())
    return {"bf16": runtime == "torch" and (device.capability or _AMPERE) >= _AMPERE, "fp16": True}


def usable(numerics: Numerics, model: str, known: Sequence[Precision] = PRECISIONS) -> Numerics:
    """The numerics, if this machine can honour them.

    Args:
        numerics: How a model is to be computed.
        model: Its name, for the message.
        known: The precisions that it can be computed in.

    Raises:
        ModelError: The runtime cannot be used here, or not on that device, or the precision is not for it.
    """
    if numerics.runtime not in runtimes():
        raise ModelError(_lacks(numerics.runtime), where=model, act=_instead(numerics.runtime))
    there = devices(numerics.runtime)
    if numerics.device not in there:
        raise ModelError(
            f"{numerics.runtime} does not run models on {numerics.device} here",
            where=model,
            act=f"choose {' or '.join(there)}",
        )
    if numerics.device == "cuda" and not is_tower(known):
        raise ModelError(
            f"{model} is a small network, which runs on the CPU alone", act=f"choose {' or '.join(_on_cpu())}"
        )
    fitting = precisions(numerics.runtime, known, numerics.device)
    if numerics.precision not in fitting:
        raise ModelError(
            f"{numerics.precision} is not computed by {numerics.runtime} on this {_DEVICES[numerics.device]}",
            where=model,
            act=f"{_way_to(numerics)}choose one of {', '.join(fitting)}",
        )
    return numerics


def _way_to(numerics: Numerics) -> str:
    """What would compute a precision that a runtime has not on the CPU, as the beginning of an advice; or ""."""
    if numerics.device != "cpu":
        return ""
    if numerics.precision == "fp16":
        return "fp16 is computed on a CUDA device alone, by torch; "
    if numerics.precision != "bf16" or numerics.runtime == "openvino" or cpu_flags().isdisjoint(_BRAIN_FLOATS):
        return ""
    if "openvino" in runtimes():
        return "the runtime openvino computes it here: leave the runtime open, or "
    return "openvino computes it on this CPU: run: pip install 'imagecurator[openvino]', or "


_DEVICES: dict[Device, str] = {"cpu": "CPU", "cuda": "CUDA device"}


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
    if runtime in {None, standard.runtime}:
        return replace(standard, precision=precision or standard.precision)
    return _by(cast("Runtime", runtime), precision or "fp32")


def candidates(known: Sequence[Precision], runtime: str | None) -> tuple[Numerics, ...]:
    """What may stand in for full precision on this machine, the fastest first, and full precision itself at the end.

    Args:
        known: The precisions that the model can be computed in, besides `fp32`.
        runtime: The only runtime that may be used; None means the fastest that is installed.
    """
    if not is_tower(known):
        return (choose(known, runtime, None),)
    chosen = cast("Runtime", runtime or runtimes()[0])
    return tuple(_by(chosen, one) for one in precisions(chosen, known))


def default(known: Sequence[Precision]) -> Numerics:
    """What is used where nobody chose, for a model that can be computed in these precisions.

    A tower: by torch in 16-bit floats where there is a CUDA device for it, else in full precision by the fastest
    runtime. Other models are small convolutional networks, which OpenVINO runs no faster in fp32.
    """
    if not is_tower(known):
        return Numerics("onnxruntime")
    if "torch" in runtimes():
        return Numerics("torch", precisions("torch", known)[0], "cuda")
    return Numerics(_on_cpu()[0])


def is_tower(known: Sequence[Precision]) -> bool:
    """Whether a model of these precisions is a tower, which every runtime can be given: others know only `fp32`."""
    return bool(known)


def _by(runtime: Runtime, precision: Precision) -> Numerics:
    return Numerics(runtime, precision, "cuda" if runtime == "torch" else "cpu")


def _on_cpu() -> tuple[Runtime, ...]:
    return tuple(one for one in runtimes() if "cpu" in devices(one))


def _torch_lacks() -> str:
    """What torch lacks to compute here; "" if nothing."""
    if not _there("torch"):
        return "the runtime torch is not installed"
    if not cuda.torch_cuda():
        return "the torch that is installed was built without CUDA, and on the CPU other runtimes are faster"
    return "" if cuda.devices() else "torch is for CUDA devices, and none is here"


def _lacks(runtime: Runtime) -> str:
    return _torch_lacks() if runtime == "torch" else f"the runtime {runtime} is not installed"


def _instead(runtime: Runtime) -> str:
    others = f"choose one of {', '.join(runtimes())}"
    if runtime == "torch" and _there(runtime):
        return others
    return f"run: pip install 'imagecurator[{runtime}]', or {others}"


def _there(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _found(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _version(package: str) -> str:
    """The version of a package; ONNX Runtime with CUDA goes by another name and is imported by the same."""
    return version(_ONNX_ON_CUDA if package == "onnxruntime" and _found(_ONNX_ON_CUDA) else package)
