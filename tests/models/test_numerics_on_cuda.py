from __future__ import annotations

import re
import subprocess
import sys

import pytest

from nemo_curator.errors import ModelError
from nemo_curator.models import numerics, registry
from nemo_curator.models.numerics import Numerics, candidates, choose, default, devices, precisions, runtimes, usable
from nemo_curator.models.runtimes import cuda

TOWER = ("int8", "bf16", "fp16")
HOPPER = cuda.CudaDevice("NVIDIA H100 80GB HBM3", (9, 0))


@pytest.fixture
def machine(monkeypatch):
    """A function that says which devices, torch and ONNX Runtime are there; what it said is forgotten afterwards."""

    def there(*found, built_for="13.0", modules=("torch", "openvino"), packages=()):
        monkeypatch.setattr(cuda, "devices", lambda: found)
        monkeypatch.setattr(cuda, "torch_cuda", lambda: built_for)
        monkeypatch.setattr(numerics, "_there", lambda module: module in modules)
        monkeypatch.setattr(numerics, "_found", lambda package: package in packages)
        monkeypatch.setattr(numerics, "cpu_flags", lambda: frozenset({"avx512_bf16", "avx512_vnni"}))
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        runtimes.cache_clear()

    yield there
    runtimes.cache_clear()


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16"), (None, "bf16")]
)
def test_a_tower_runs_on_the_device_where_there_is_one(machine, capability, precision):
    """Torch in bf16, or in fp16 on devices that compute no bf16; a small network stays on the CPU."""
    machine(cuda.CudaDevice("Some", capability))
    assert default(TOWER) == Numerics("torch", precision, "cuda")
    assert default(()) == Numerics("onnxruntime")
    assert runtimes() == ("torch", "openvino", "onnxruntime")


@pytest.mark.parametrize(
    ("found", "built_for", "modules", "why"),
    [
        ((), "13.0", ("torch", "openvino"), "torch is for CUDA devices, and none is here"),
        ((HOPPER,), "", ("torch", "openvino"), "built without CUDA"),
        ((HOPPER,), "", ("openvino",), r"not installed.*imagecurator\[torch\]"),
    ],
)
def test_torch_is_left_alone_where_it_would_not_compute(machine, found, built_for, modules, why):
    """Without device, CUDA or package the CPU's runtimes stand as before, and whoever asks is told what is lacking."""
    machine(*found, built_for=built_for, modules=modules)
    assert default(TOWER) == Numerics("openvino")
    assert runtimes() == ("openvino", "onnxruntime")
    assert devices("torch") == ()
    with pytest.raises(ModelError, match=re.compile(why, re.DOTALL)):
        usable(Numerics("torch", "bf16", "cuda"), "a")


@pytest.mark.parametrize(
    ("asked", "known", "why"),
    [
        (
            Numerics("torch", "int8", "cuda"),
            TOWER,
            "int8 is not computed by torch on this CUDA device.*bf16, fp16, fp32",
        ),
        (Numerics("torch", "bf16", "cpu"), TOWER, "torch does not run models on cpu here.*choose cuda"),
        (Numerics("openvino", "bf16", "cuda"), TOWER, "openvino does not run models on cuda here.*choose cpu"),
        (Numerics("openvino", "fp16"), TOWER, "fp16 is not computed by openvino on this CPU.*int8, bf16, fp32"),
        (Numerics("onnxruntime", "fp16", "cuda"), TOWER, "onnxruntime does not run models on cuda here"),
        (Numerics("torch", "fp32", "cuda"), (), "a is a small network.*openvino or onnxruntime"),
        (Numerics("openvino", "int8"), (), "int8 is not computed by openvino.*fp32"),
    ],
)
def test_what_cannot_be_honoured_is_refused(machine, asked, known, why):
    """Before anything runs, in one sentence that says what to choose."""
    machine(HOPPER)
    with pytest.raises(ModelError, match=re.compile(why, re.DOTALL)):
        usable(asked, "a", known)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_torch_computes_all_floats(machine, precision):
    """Of the three that it can be asked for, none is changed."""
    machine(HOPPER)
    asked = Numerics("torch", precision, "cuda")
    assert usable(asked, "a", TOWER) == asked
    assert Numerics(**asked.facts()) == asked
    assert str(asked) == f"{precision} on torch (cuda)"


def test_a_recipe_names_the_runtime_and_the_device_follows(machine):
    """Torch means CUDA; a precision that torch has not goes to a runtime that has it; another runtime means fp32."""
    machine(HOPPER)
    assert choose(TOWER, None, None) == choose(TOWER, "torch", None) == Numerics("torch", "bf16", "cuda")
    assert choose(TOWER, None, "fp16") == Numerics("torch", "fp16", "cuda")
    assert choose(TOWER, None, "int8") == Numerics("openvino", "int8")
    assert choose(TOWER, "openvino", None) == Numerics("openvino")
    machine()
    assert choose(TOWER, "torch", None) == Numerics("torch", "fp32", "cuda")  # which `usable` refuses, and says why


def test_the_device_proves_its_precisions_too(machine):
    """What is tried on a user's images, the fastest first, ends with fp32 on the same device."""
    machine(HOPPER)
    assert [str(one) for one in candidates(TOWER, None)] == [
        f"{one} on torch (cuda)" for one in ("bf16", "fp16", "fp32")
    ]
    assert candidates(TOWER, "onnxruntime") == (Numerics("onnxruntime", "int8"), Numerics("onnxruntime"))
    assert candidates((), None) == (Numerics("onnxruntime"),)


def test_onnx_runtime_uses_a_device_when_it_is_asked_to(machine):
    """Where its build for CUDA is installed it offers the device, and nobody gets it unasked."""
    machine(HOPPER, modules=("openvino",), packages=("onnxruntime-gpu",))
    assert devices("onnxruntime") == ("cuda", "cpu")
    assert precisions("onnxruntime", TOWER, "cuda") == ("fp16", "fp32")
    asked = Numerics("onnxruntime", "fp16", "cuda")
    assert usable(asked, "a", TOWER) == asked
    assert default(TOWER) == Numerics("openvino")


def test_the_device_is_a_fact_of_a_score(machine, monkeypatch):
    """What computes on CUDA records the device, its capability and the versions; what does not, the same as before."""
    machine(HOPPER)
    monkeypatch.setattr(numerics, "version", lambda package: f"1.0 of {package}")
    assert Numerics("torch", "bf16", "cuda").libraries() | {"cpu": ""} == {
        "numpy": "1.0 of numpy",
        "torch": "1.0 of torch",
        "cuda": "13.0",
        "device": "NVIDIA H100 80GB HBM3 (9.0)",
        "cpu": "",
    }
    assert set(Numerics("openvino").libraries()) == {"numpy", "openvino", "cpu"}
    assert Numerics("openvino").facts() == {"runtime": "openvino", "precision": "fp32"}


def test_towers_of_the_registry_can_be_computed_in_16_bit_floats():
    """Every transformer tower knows fp16, and what is none does not."""
    fp16 = {spec.name for spec in registry.specs() if "fp16" in getattr(spec, "precisions", ())}
    assert fp16 == {spec.name for spec in registry.specs() if getattr(spec, "patch", 0)}


def test_planning_does_not_import_torch():
    """The choice, its facts and its libraries are told without it."""
    code = (
        "import sys; from nemo_curator.models.numerics import default, runtimes; "
        "default(('int8', 'bf16')).libraries(); print({'torch', 'onnxruntime', 'openvino'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
