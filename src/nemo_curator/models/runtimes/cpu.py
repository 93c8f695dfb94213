"""The kind of CPU, and the versions of what computes with it: the last bits of outputs depend on them."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_VECTORS = {"avx512f": "avx512", "avx2": "avx2", "sse2": "sse"}  # flag to class, the widest first


def array_libraries() -> dict[str, str]:
    """What models depend on that compute with NumPy alone."""
    return {"numpy": version("numpy"), "cpu": cpu_class()}


def matrix_units() -> str:
    """`+amx` where the CPU multiplies bf16 and int8 by units of its own, which round otherwise than its vectors."""
    return "+amx" if any(flag.startswith("amx_") for flag in cpu_flags()) else ""


@cache
def cpu_class() -> str:
    """The machine, and on x86-64 the widest vector instructions that it has, such as `x86_64-avx512`.

    Kernels are chosen by these, and round differently. Where the system does not tell, the machine alone.
    """
    machine = platform.machine()
    if machine.lower() not in {"x86_64", "amd64"}:
        return machine
    flags = cpu_flags()
    widest = next((name for flag, name in _VECTORS.items() if flag in flags), "")
    return f"x86_64-{widest}" if widest else "x86_64"


def cpu_flags() -> frozenset[str]:
    """What Linux says that an x86-64 CPU can do; nothing where the system does not tell."""
    try:
        lines = _CPU_INFO.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))
