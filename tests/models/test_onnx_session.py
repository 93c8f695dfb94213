from __future__ import annotations

import pickle

import numpy as np
import pytest
from tests.models.formula import numbers, pictures

from nemo_curator.errors import ModelError, WeightsError
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.onnx_graph import GraphWriter, pixels_to_channels_first, unit_rows
from nemo_curator.models.runtimes import cpu
from nemo_curator.models.runtimes.onnx_session import OnnxSession
from nemo_curator.runs.fingerprints import only_environment


def small_graph(*, external=False):
    """A convolution, a matrix product and a norm over pictures of 16 by 16."""
    graph = GraphWriter("small", external=external)
    pixels = pixels_to_channels_first(graph, graph.input("pixels", np.uint8, ("N", 16, 16, 3)))
    kernel, shift = graph.constant(numbers(8, 3, 4, 4)), graph.constant(numbers(8, seed=1))
    flat = graph.node("Flatten", graph.node("Conv", pixels, kernel, shift, strides=[4, 4]), axis=1)
    unit_rows(graph, graph.node("MatMul", flat, graph.constant(numbers(128, 10, seed=2))), "rows")
    return graph.finish({"rows": ("N", 10)}), graph.outside


def test_a_row_does_not_depend_on_the_batch():
    """The same bits alone, among 3 and among 32."""
    session = OnnxSession(small_graph()[0])
    batch = pictures(32, 16)
    rows = session.run(batch, "rows")
    np.testing.assert_array_equal(np.concatenate([session.run(batch[i : i + 1], "rows") for i in range(32)]), rows)
    np.testing.assert_array_equal(session.run(batch[7:10], "rows"), rows[7:10])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_weights_beside_the_graph_give_the_same_rows():
    """Arrays handed over at load stand for arrays inside the graph, and keep the graph small."""
    inside, _ = small_graph()
    outside, weights = small_graph(external=True)
    assert len(outside) < len(inside) / 3
    batch = pictures(3, 16)
    rows = OnnxSession(outside, weights=weights).run(batch, "rows")
    np.testing.assert_allclose(rows, OnnxSession(inside).run(batch, "rows"), atol=1e-6)


def test_an_empty_batch_gives_no_rows():
    """The shape of a row is kept."""
    assert OnnxSession(small_graph()[0]).run(pictures(1, 16)[:0], "rows").shape == (0, 10)


@pytest.mark.parametrize(
    "batch", [np.zeros((1, 16, 16, 3), np.float32), np.zeros((1, 8, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)]
)
def test_a_batch_of_another_shape_or_type_is_refused(batch):
    """The error says what is expected and what came."""
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 16, 16, 3\), got"):
        OnnxSession(small_graph()[0]).run(batch, "rows")


def test_a_graph_that_is_none_is_refused():
    """Garbage is a weights error with the file's name, and nothing is printed by the runtime."""
    with pytest.raises(WeightsError, match=r"some\.onnx: ONNX Runtime cannot load the model"):
        OnnxSession(b"garbage", where="some.onnx")


def test_nothing_is_printed_by_the_runtime(capfd):
    """Loading, running and failing leave standard output and error alone."""
    OnnxSession(small_graph()[0]).run(pictures(1, 16), "rows")
    with pytest.raises(WeightsError):
        OnnxSession(b"garbage")
    assert capfd.readouterr() == ("", "")


def test_a_session_does_not_pickle():
    """The error says when to send a model instead."""
    with pytest.raises(TypeError, match="before setup"):
        pickle.dumps(OnnxSession(small_graph()[0]))


def test_two_threads_give_the_same_rows_as_one():
    """On a graph of this size the number of threads changes nothing."""
    batch = pictures(4, 16)
    graph = small_graph()[0]
    np.testing.assert_array_equal(
        OnnxSession(graph, threads=2).run(batch, "rows"), OnnxSession(graph).run(batch, "rows")
    )


@pytest.mark.parametrize(("machine", "info", "name"), [
    ("x86_64", "flags\t: fpu sse2 avx avx2 avx512f\n", "x86_64-avx512"),
    ("AMD64", "processor: 0\nflags : fpu sse2 avx avx2\n", "x86_64-avx2"),
    ("x86_64", "flags : fpu sse2 avx\n", "x86_64-sse"),
    ("x86_64", "flags :\n", "x86_64"),
    ("x86_64", None, "x86_64"),
    ("aarch64", "Features : asimd\n", "aarch64"),
])  # fmt: skip
def test_the_kind_of_cpu(tmp_path, monkeypatch, machine, info, name):
    """The machine and its widest vector instructions are named; where nothing is told, the machine alone."""
    if info is not None:
        (tmp_path / "cpuinfo").write_text(info)
    monkeypatch.setattr(cpu, "_CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert cpu.cpu_class.__wrapped__() == name


def test_the_kind_of_cpu_is_recorded():
    """It stands among the libraries, so that a resume on another kind is told like one with another library."""
    here = cpu.cpu_class()
    assert Numerics("onnxruntime").libraries()["cpu"] == cpu.array_libraries()["cpu"] == here
    assert only_environment({"libraries": {"cpu": here}}, {"libraries": {"cpu": "other"}})


def test_what_the_library_raises_is_no_pictures_fault():
    """A passing failure, such as memory that ran out, ends the run in one sentence instead of costing an image."""

    class Exhausted:
        """A loaded graph of a machine without memory."""

        def run(self, *_):
            """Fail as the library does."""
            raise RuntimeError("bad allocation\nat some line")

    session = OnnxSession(small_graph()[0])
    get_outputs = session._session.get_outputs()
    session._session = Exhausted()
    session._session.get_outputs = lambda: get_outputs
    with pytest.raises(ModelError, match=r"ONNX Runtime failed to run the model: bad allocation \(memory ran out"):
        session.run(pictures(1, 16), "rows")
