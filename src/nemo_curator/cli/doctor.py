"""`imagecurator doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import Annotated, Any

import typer

_NEEDED = (  # what a default run imports
    "numpy",
    "pillow",
    "pillow-heif",
    "simplejpeg",
    "cykooz-resizer",
    "onnxruntime",
    "pyarrow",
    "duckdb",
    "fsspec",
)
_EXTRAS = {
    "pandas": ("pandas",),
    "jxl": ("imagecodecs",),
    "openvino": ("openvino",),
    "text": ("rapidocr",),
    "torch": ("torch",),
    "ray": ("ray",),
    "hub": ("huggingface-hub",),
    "profile": ("py-spy",),
    "s3": ("s3fs", "aiohttp"),
    "gcs": ("gcsfs",),
    "http": ("aiohttp",),
    "fetch": ("aiohttp", "idna", "protego"),
    "lance": ("pylance",),
    "demo": ("scikit-image", "scikit-learn"),
}
_STAND_INS = {"onnxruntime": ("onnxruntime-gpu",)}  # other distributions of the same module
_TESTED = "Linux x86-64; macOS and arm64 as far as their packages have wheels"


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say what is installed, which devices and models are there, and how to get what is missing."""
    findings = _findings()
    if as_json:
        sys.stdout.write(json.dumps(findings, indent=2) + "\n")
    else:
        _print(findings)
    if findings["problems"]:
        raise typer.Exit(6)


def _findings() -> dict[str, Any]:
    from nemo_curator import __version__

    packages = {name: _version(name) for name in _NEEDED}
    models = _models()
    missing = [name for name, found in packages.items() if not found]
    problems = [f"{name} is not installed; run: pip install imagecurator" for name in missing]
    problems += [f"model {name}: {one['how_to_get']}" for name, one in models.items() if one["ships"] and not one["ok"]]
    problems += _other_owner()
    return {
        "imagecurator": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "tested": _TESTED,
        "packages": packages,
        "extras": {extra: all(map(_version, names)) for extra, names in _EXTRAS.items()},
        "devices": _devices(),
        "models": models,
        "problems": problems,
    }


def _version(name: str) -> str:
    for package in (name, *_STAND_INS.get(name, ())):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return ""


def _other_owner() -> list[str]:
    """NVIDIA's package installs files under the same import name; whichever came last is what is imported."""
    try:
        distribution("nemo-curator")
    except PackageNotFoundError:
        return []
    problem = (
        "the package nemo-curator is installed too and claims the same import name, nemo_curator; the two are not "
        "affiliated and cannot share an environment: pip uninstall one of them, then reinstall the other"
    )
    return [problem]


def _devices() -> dict[str, Any]:
    import psutil

    from nemo_curator.cores import usable_cores
    from nemo_curator.models.numerics import runtimes
    from nemo_curator.models.runtimes.cuda import devices

    cuda = devices()
    return {
        "cores": usable_cores(),
        "cores_of_machine": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "cuda_devices": len(cuda),
        "cuda_names": [str(device) for device in cuda],
        "runtimes": list(runtimes()),
    }


def _models() -> dict[str, dict[str, Any]]:
    from nemo_curator.models import registry

    found: dict[str, dict[str, Any]] = {}
    for spec in registry.specs():
        state = registry.availability(spec)
        found[spec.name] = {
            "task": spec.task,
            "licence": spec.licence,
            "ok": state.ok,
            "how_to_get": state.how_to_get,
            "ships": isinstance(spec.weights, registry.PackagedWeights) and not spec.weights.extra,
        }
    return found


def _print(findings: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"imagecurator {findings['imagecurator']}, Python {findings['python']}, {findings['system']}")
    for problem in findings["problems"]:
        console.print(Text(f"problem: {problem}", style="bold red"), soft_wrap=True)
    if not findings["problems"]:
        console.print("Everything that a default run needs is here.")
    console.print()
    devices = findings["devices"]
    packages = [f"{name}=={found}" if found else f"{name} (missing)" for name, found in findings["packages"].items()]
    extras = [name for name, there in findings["extras"].items() if there]
    table = Table(show_header=False, show_edge=False, pad_edge=False, box=None)
    table.add_row("cores", f"{devices['cores']} of {devices['cores_of_machine']}")
    table.add_row("memory", f"{devices['memory_gb']} GB")
    table.add_row("CUDA devices", Text(", ".join(devices["cuda_names"]) or "none; everything runs on the CPU"))
    table.add_row("models run by", f"{', '.join(devices['runtimes'])} (the fastest first)")
    table.add_row("packages", ", ".join(packages))
    table.add_row("extras", ", ".join(extras) or "none")
    table.add_row("tested on", findings["tested"])
    console.print(table)
    console.print()
    for line in _to_have(findings):
        console.print(Text(line), soft_wrap=True)
    console.print("imagecurator is independent of NVIDIA; it implements the API of NeMo Curator's image stages.")


def _to_have(findings: dict[str, Any]) -> Iterator[str]:
    """What is not here but could be, and how to get it."""
    absent = [extra for extra, there in findings["extras"].items() if not there]
    if absent:
        yield f"Not installed: {', '.join(absent)}. To have one: pip install 'imagecurator[{absent[0]}]'"
    models = findings["models"]
    here = [name for name, model in models.items() if model["ok"]]
    yield f"Models: {len(here):,} of {len(models):,} are here ({', '.join(here) or 'none'})."
    yield "`imagecurator models` lists all, with size, licence, and how to get each."
