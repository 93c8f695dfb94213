from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.models.formula import SMALL_TOWER, clip_config, pictures
from tests.models.torch_reference import clip as torch_clip
from tests.models.torch_reference import write_tower
from tests.models.verb_towers import clip, gather

from nemo_curator.errors import ModelError
from nemo_curator.models.clip import _read
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.runtimes.opening import open_tower
from nemo_curator.models.runtimes.torch_memory import held_bytes, live_bytes
from nemo_curator.models.runtimes.torch_session import TorchSession
from nemo_curator.models.tower_model import unit_rows
from nemo_curator.models.towers.vision import write


@pytest.fixture(scope="module", autouse=True)
def torch():
    """The package, or no test of this file."""
    return pytest.importorskip("torch", reason="torch is an extra")


def opened(written, precision="fp32", **settings):
    """A session on the CPU."""
    return TorchSession(written, precision=precision, device="cpu", **settings)


def by(runtime, written, batch):
    """What another runtime gives in fp32."""
    return open_tower(written, Numerics(runtime), group=32, threads=1, where="").run(batch, "embedding")


def cosines(first, second):
    """Row by row."""
    return np.sum(unit_rows(first).astype(np.float64) * unit_rows(second), axis=1)


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_tanh"])
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("fp16", 0.99999), ("bf16", 0.9995)])
def test_the_other_runtimes_are_met(activation, precision, least):
    """The same tower on torch and on ONNX Runtime, in each precision."""
    written, batch = clip(activation), pictures(5, 224)
    rows = opened(written, precision).run(batch)
    assert (rows.dtype, rows.shape) == (np.float32, (5, 24))
    assert (cosines(rows, by("onnxruntime", written, batch)) >= least).all()


def test_openvino_is_met():
    """The fastest runtime of the CPU, where it is installed."""
    pytest.importorskip("openvino", reason="openvino is an extra")
    written, batch = clip(), pictures(5, 224)
    np.testing.assert_allclose(opened(written).run(batch), by("openvino", written, batch), atol=1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("written", "batch"), [(gather, pictures(7, 16))])
def test_every_verb_is_met(written, batch, precision):
    """Pooling, edges that no patch covers, and activations that no layer surrounds."""
    least = 0.99999 if precision == "fp32" else 0.9995
    assert (cosines(opened(written, precision).run(batch), by("onnxruntime", written, batch)) >= least).all()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("bf16", 0.9995)])
def test_transformers_is_met(tmp_path, precision, least):
    """The library whose layout we read, where it is installed."""
    pytest.importorskip("transformers", reason="transformers is for parity only")
    folder = write_tower(tmp_path / "clip", clip_config(32, 512, **SMALL_TOWER))
    batch = pictures(3, 224)
    session = opened(lambda ops: write(ops, _read(folder / "model.safetensors")), precision)
    assert (cosines(session.run(batch), torch_clip(folder, batch)) >= least).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_row_does_not_depend_on_the_batch(precision):
    """Alone, among three, and among seven in another order, an item gives the same bits."""
    session, batch = opened(clip(), precision), pictures(7, 224)
    rows = session.run(batch)
    np.testing.assert_array_equal(session.run(batch[::-1])[::-1], rows)
    np.testing.assert_array_equal(session.run(batch[2:5]), rows[2:5])
    np.testing.assert_array_equal(session.run(batch[6:]), rows[6:])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_row_does_not_depend_on_its_neighbours(precision):
    """In a batch of a fixed size, other items, or none, beside an item do not change its bits."""
    session, batch = opened(clip(), precision, batch=4), pictures(7, 224)
    rows = session.run(batch)  # four, and three with one filled up
    for place in range(4):
        others = np.zeros_like(batch[:4])
        others[place] = batch[place]
        np.testing.assert_array_equal(session.run(others)[place], rows[place])
    np.testing.assert_array_equal(session.run(batch[:1]), rows[:1])
    np.testing.assert_array_equal(session.run(batch[4:]), rows[4:])


def test_threads_may_share_a_session():
    """Each gets its own rows, in its own order."""
    session, batch = opened(clip(), batch=2), pictures(9, 224)
    rows = session.run(batch)
    with ThreadPoolExecutor(4) as pool:
        for start, given_back in enumerate(pool.map(lambda start: session.run(batch[start:]), range(8))):
            np.testing.assert_array_equal(given_back[-1], session.run(batch[-1:])[0])
            assert given_back.shape == rows[start:].shape


def test_an_empty_batch_gives_no_rows():
    """The shape of a row is kept."""
    assert opened(clip()).run(pictures(1, 224)[:0]).shape == (0, 24)


@pytest.mark.parametrize("batch", [np.zeros((1, 224, 224, 3), np.float32), np.zeros((1, 8, 224, 3), np.uint8)])
def test_a_batch_of_another_shape_or_type_is_refused(batch):
    """The error says what is expected and what came."""
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 224, 224, 3\), got"):
        opened(clip()).run(batch)


def test_there_is_one_output():
    """Another one is a mistake."""
    with pytest.raises(ValueError, match="no output 'logits'"):
        opened(clip()).run(pictures(1, 224), "logits")


def test_a_session_does_not_pickle():
    """The error says when to send a model instead."""
    with pytest.raises(TypeError, match="before setup"):
        pickle.dumps(opened(clip()))


def test_a_lane_comes_back_after_a_failure():
    """What torch raises while it runs becomes one sentence, and the next call is served."""
    session, batch = opened(clip()), pictures(2, 224)
    module = session._module

    def fail(_):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nmore lines")

    lane = session._free.queue[0]
    lane._module = fail
    with pytest.raises(ModelError, match="torch failed to run the model: CUDA error: an illegal memory access") as told:
        session.run(batch)
    assert "more lines" not in str(told.value)
    lane._module = module
    assert session.run(batch).shape == (2, 24)


def test_without_a_device_the_session_says_what_to_do(torch):
    """A torch that finds none is not asked to compute there."""
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ModelError, match=r"torch finds no CUDA device(?s:.*)nvidia-smi"):
        TorchSession(clip(), precision="bf16", device="cuda")


def test_weights_are_held_once_in_the_precision_that_is_computed():
    """Sixteen bits a number are half of thirty-two; nothing else is kept of a tower."""
    whole, half = (held_bytes(opened(clip(), precision)._module) for precision in ("fp32", "bf16"))
    assert half == whole // 2


def test_live_memory_is_counted_without_the_weights(torch):
    """The most values at a time: views count once, what is used for the last time is let go."""
    from torch.fx import symbolic_trace

    class Small(torch.nn.Module):
        """Sixteen numbers, doubled, joined: 64 + 64 bytes at first, 64 + 128 at the end."""

        def __init__(self):
            super().__init__()
            self.register_buffer("heavy", torch.zeros(16))

        def forward(self, x):
            """Floats of `(1, 16)`."""
            y = (x + self.heavy).reshape(4, 4).transpose(0, 1)
            return torch.cat([y, y], 1)

    assert live_bytes(symbolic_trace(Small()), torch.zeros(1, 16)) == 64 + 128
