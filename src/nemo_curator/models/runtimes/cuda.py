"""Which CUDA devices are there, asked without loading a framework, and without waking a device.

The driver brings a library for such questions (NVML, which `nvidia-smi` uses too). Where a container has the devices
and not that library, their files tell how many there are, and what they can do stays unknown.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_LONGEST = 96  # characters of a name or an identity, which is what NVML asks for


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """One device.

    Attributes:
        name: What its maker calls it; "" where nobody tells.
        capability: Its compute capability, major and minor; None where nobody tells.
        identity: `GPU-` and a number of its own; "" where nobody tells.
    """

    name: str = ""
    capability: tuple[int, int] | None = None
    identity: str = ""

    def __str__(self) -> str:
        """Name and compute capability, such as `NVIDIA H100 80GB HBM3 (9.0)`: kernels are chosen by these."""
        name = self.name or "unknown"
        return f"{name} ({self.capability[0]}.{self.capability[1]})" if self.capability else name


@functools.cache
def devices() -> tuple[CudaDevice, ...]:
    """The devices that this process may use; without a driver there is none."""
    return visible(told_by_nvml(_nvml()) or told_by_files(Path("/")), os.environ.get("CUDA_VISIBLE_DEVICES"))


def visible(present: Sequence[CudaDevice], setting: str | None) -> tuple[CudaDevice, ...]:
    """Those devices that `CUDA_VISIBLE_DEVICES` leaves, in its order; as CUDA has it, all up to the first mistake.

    Args:
        present: Those of the machine.
        setting: What the variable says; None where it is not set.
    """
    if setting is None:
        return tuple(present)
    found: list[CudaDevice] = []
    for part in setting.split(","):
        one = _meant(present, part.strip())
        if one is None:
            break
        found.append(one)
    return tuple(found)


def _meant(present: Sequence[CudaDevice], part: str) -> CudaDevice | None:
    if part.isdecimal():
        return present[int(part)] if int(part) < len(present) else None
    if part.startswith("MIG-"):  # a slice of a device, of which its name says nothing
        return present[0] if present else None
    return next((one for one in present if part and one.identity.startswith(part)), None)


def told_by_nvml(nvml: Any) -> tuple[CudaDevice, ...]:
    """What the driver's library says.

    Args:
        nvml: The library; None where there is none.
    """
    if nvml is None or nvml.nvmlInit_v2():
        return ()
    try:
        count = ctypes.c_uint()
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return ()
        return tuple(_device(nvml, index) for index in range(count.value))
    finally:
        nvml.nvmlShutdown()


def _device(nvml: Any, index: int) -> CudaDevice:
    handle = ctypes.c_void_p()
    if nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)):
        return CudaDevice()
    major, minor = ctypes.c_int(), ctypes.c_int()
    failed = nvml.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
    return CudaDevice(
        name=_text(nvml.nvmlDeviceGetName, handle),
        capability=None if failed else (major.value, minor.value),
        identity=_text(nvml.nvmlDeviceGetUUID, handle),
    )


def _text(ask: Any, handle: ctypes.c_void_p) -> str:
    room = ctypes.create_string_buffer(_LONGEST)
    return "" if ask(handle, room, ctypes.c_uint(_LONGEST)) else room.value.decode("utf-8", "replace")


def _nvml() -> Any:
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        return None


def told_by_files(root: Path) -> tuple[CudaDevice, ...]:
    """What the devices' own files say, and those of the driver about them.

    The driver's files alone do not count: a container sees those of its host, whether or not it was given a device.

    Args:
        root: The file system's.
    """
    count = len(list((root / "dev").glob("nvidia[0-9]*")))
    about = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    names = [_named(path) for path in about] if len(about) == count else [""] * count
    return tuple(CudaDevice(name) for name in names)


def _named(information: Path) -> str:
    try:
        text = information.read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"^Model:\s*(.+?)\s*$", text, re.MULTILINE)
    return found[1] if found else ""


@functools.cache
def torch_cuda() -> str:
    """The version of CUDA that the installed torch was built for, read without importing it.

    "" where torch is not installed, or was built without CUDA.
    """
    spec = importlib.util.find_spec("torch")
    return built_for(Path(spec.origin).with_name("version.py")) if spec and spec.origin else ""


def built_for(version_file: Path) -> str:
    """The version of CUDA in torch's own note of how it was built; "" where there is none."""
    try:
        text = version_file.read_text("utf-8", "replace")
    except OSError:
        return ""
    found = re.search(r"^cuda\b[^=\n]*=\s*['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return found[1] if found else ""
