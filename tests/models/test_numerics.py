from __future__ import annotations

from dataclasses import replace

import pytest

from nemo_curator.errors import ModelError
from nemo_curator.models import numerics, registry
from nemo_curator.models.numerics import Numerics, candidates, choose, default, precisions, usable

TOWER = ("int8", "bf16")


@pytest.fixture
def machine(monkeypatch):
    """Pretend that these runtimes are installed and that the CPU has these flags."""

    def pretend(runtimes, *flags):
        monkeypatch.setattr(numerics, "runtimes", lambda: runtimes)
        monkeypatch.setattr(numerics, "cpu_flags", lambda: frozenset(flags))

    return pretend


BOTH = ("openvino", "onnxruntime")


def test_full_precision_is_everywhere(machine):
    """On a CPU without any of the instructions, fp32 is all there is."""
    machine(BOTH, "sse2")
    assert precisions("openvino", TOWER) == precisions("onnxruntime", TOWER) == ("fp32",)
    assert candidates(TOWER, None) == (Numerics("openvino"),)


def test_the_fastest_is_tried_first_and_full_precision_last(machine):
    """OpenVINO on a CPU with both kinds of instructions: int8, bf16, fp32."""
    machine(BOTH, "avx512_vnni", "avx512_bf16")
    assert [one.precision for one in candidates(TOWER, None)] == ["int8", "bf16", "fp32"]
    assert {one.runtime for one in candidates(TOWER, None)} == {"openvino"}
    assert [one.precision for one in candidates(TOWER, "onnxruntime")] == ["int8", "fp32"]
    assert candidates((), None) == (Numerics("onnxruntime"),)


def test_what_nobody_chose_is_in_full_precision(machine):
    """Towers take the fastest runtime, small networks the one that the base install has."""
    machine(BOTH, "avx512_vnni", "avx512_bf16")
    assert default(TOWER) == Numerics("openvino")
    assert default(()) == Numerics("onnxruntime")
    machine(("onnxruntime",))
    assert default(TOWER) == Numerics("onnxruntime")


def test_a_precision_is_given_to_the_runtime_that_has_it(machine):
    """bf16 alone means OpenVINO; a runtime alone means fp32 there."""
    machine(BOTH, "avx512_bf16")
    assert choose(TOWER, None, "bf16") == Numerics("openvino", "bf16")
    assert choose(TOWER, "onnxruntime", None) == Numerics("onnxruntime", "fp32")


@pytest.mark.parametrize(("runtime", "precision", "said"), [
    ("opnvino", None, "no runtime 'opnvino'.*openvino"),
    (None, "bf17", "'bf17' is no precision.*bf16"),
])  # fmt: skip
def test_a_typing_mistake_is_said_so(runtime, precision, said):
    """What is near is suggested."""
    with pytest.raises(ModelError, match=said):
        choose(TOWER, runtime, precision)


def test_what_a_machine_cannot_honour_is_refused(machine):
    """A runtime that is not installed, and a precision that the CPU has no instructions for, each with what to do."""
    machine(("onnxruntime",), "avx512_vnni")
    with pytest.raises(ModelError, match=r"openvino is not installed.*imagecurator\[openvino\]"):
        usable(Numerics("openvino"), "some-model")
    with pytest.raises(ModelError, match=r"bf16 is not computed by onnxruntime.*int8, fp32"):
        usable(Numerics("onnxruntime", "bf16"), "some-model")
    assert usable(Numerics("onnxruntime", "int8"), "some-model") == Numerics("onnxruntime", "int8")


@pytest.mark.parametrize(("there", "precision", "said"), [
    (("onnxruntime",), "bf16", r"on this CPU; openvino computes it .*pip install 'imagecurator\[openvino\]'.* fp32"),
    (BOTH, "bf16", "the runtime openvino computes it here.* fp32"),
    (("onnxruntime",), "fp16", "fp16 is computed on a CUDA device alone, by torch; choose one of fp32"),
])  # fmt: skip
def test_the_way_to_a_precision_is_told(machine, there, precision, said):
    """What computes bf16 on such a CPU is a package away, and fp16 needs another device: the message names it."""
    machine(there, "avx512_bf16")
    with pytest.raises(ModelError, match=said):
        usable(Numerics("onnxruntime", precision), "some-model")


def test_a_cpu_without_it_is_told_of_no_package(machine):
    """Where the CPU has no instructions for bf16, another runtime is of no help, and none is named."""
    machine(("onnxruntime",), "avx512_vnni")
    with pytest.raises(ModelError, match=r"on this CPU; choose one of int8, fp32"):
        usable(Numerics("onnxruntime", "bf16"), "some-model")


def test_a_model_that_cannot_be_computed_so_is_refused_when_it_is_made(machine, tmp_path):
    """Before anything is loaded, whether or not the weights are there."""
    machine(("onnxruntime",))
    with pytest.raises(ModelError, match="openvino is not installed"):
        registry.create("efficientnet-lite0", numerics=Numerics("openvino"))


def test_what_computes_is_part_of_the_provenance():
    """Runtime, precision and versions are facts that a column depends on."""
    chosen = Numerics("onnxruntime")
    facts = registry.provenance("efficientnet-lite0", numerics=chosen)
    assert facts["model"]["runtime"] == "onnxruntime"
    assert facts["model"]["precision"] == "fp32"
    assert set(facts["libraries"]) == {"numpy", "onnx", "onnxruntime", "cpu"}
    assert Numerics(**chosen.facts()) == chosen


def test_the_picture_that_a_model_is_given_is_part_of_what_it_is():
    """With another view the same weights give other numbers, so that what is stored would be stale."""
    spec = registry.get_spec("efficientnet-lite0")
    other = replace(spec, view=replace(spec.view, centre="down"))
    assert registry.identity(spec) != registry.identity(other)
    assert registry.identity(spec).items() <= registry.provenance("efficientnet-lite0")["model"].items()
