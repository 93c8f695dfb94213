from __future__ import annotations

import pickle

import numpy as np
import pytest
from tests.models.formula import pictures
from tests.models.verb_towers import clip, gather

from nemo_curator.errors import ModelError, WeightsError
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.runtimes.onnx_batches import CUDA, OnnxBatches
from nemo_curator.models.runtimes.onnx_ops import OnnxOps
from nemo_curator.models.runtimes.onnx_runtime import onnxruntime
from nemo_curator.models.runtimes.opening import open_tower
from nemo_curator.models.tower_model import unit_rows

CPU = "CPUExecutionProvider"
TOWERS = [(clip(), pictures(7, 224)), (gather, pictures(7, 16))]


def opened(written, batch=3, *, half=False):
    """A session on the CPU, which goes the same way as one on CUDA."""
    ops = OnnxOps(batch, half=half)
    written(ops)
    return OnnxBatches(ops.finish(), weights=ops.graph.outside, provider=CPU)


@pytest.mark.parametrize(("written", "batch"), TOWERS)
@pytest.mark.parametrize("half", [False, True])
def test_items_in_batches_are_items_one_by_one(written, batch, half):
    """A tower over three at a time gives what it gives one at a time, nearly; in 16-bit floats a little less nearly."""
    alone = open_tower(written, Numerics("onnxruntime"), group=1, threads=1, where="").run(batch, "embedding")
    rows = opened(written, half=half).run(batch, "embedding")
    assert (rows.dtype, rows.shape) == (np.float32, alone.shape)
    cosines = np.sum(unit_rows(rows).astype(np.float64) * unit_rows(alone), axis=1)
    assert (cosines >= (0.9999 if half else 0.99999)).all()


def test_a_row_does_not_depend_on_its_neighbours():
    """In a batch of a fixed size, others beside an item, or none, do not change its bits."""
    session, batch = opened(clip()), pictures(7, 224)
    rows = session.run(batch, "embedding")
    np.testing.assert_array_equal(session.run(batch[:1], "embedding"), rows[:1])
    np.testing.assert_array_equal(session.run(batch[3:5], "embedding"), rows[3:5])
    assert session.run(batch[:0], "embedding").shape == (0, 24)


def test_a_batch_of_another_type_is_refused():
    """The error says what is expected and what came."""
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 224, 224, 3\)"):
        opened(clip()).run(np.zeros((1, 224, 224, 3), np.float32), "embedding")
    with pytest.raises(ValueError, match="no output 'logits'"):
        opened(clip()).run(pictures(1, 224), "logits")


def test_without_the_device_the_package_is_named():
    """The build for the CPU, which tests have, cannot compute on CUDA, and says what to install."""
    if CUDA in onnxruntime().get_available_providers():
        pytest.skip("this is the build for CUDA")
    with pytest.raises(ModelError, match="onnxruntime-gpu in the place of onnxruntime"):
        open_tower(clip(), Numerics("onnxruntime", "fp32", "cuda"), group=1, threads=1, where="weights")


def test_a_graph_that_is_none_is_refused():
    """Garbage is a weights error with the file's name."""
    with pytest.raises(WeightsError, match=r"some\.onnx: ONNX Runtime cannot load the model"):
        OnnxBatches(b"garbage", weights={}, provider=CPU, where="some.onnx")


def test_whole_numbers_are_for_one_item_at_a_time():
    """Their scales would be those of the whole batch."""
    with pytest.raises(ValueError, match="alone in its batch"):
        OnnxOps(2, whole_numbers=True)


def test_a_session_does_not_pickle():
    """The error says when to send a model instead."""
    with pytest.raises(TypeError, match="before setup"):
        pickle.dumps(opened(clip()))
