"""What only a CUDA device can show; everything else about torch is tested without one.

Run this file alone on a machine with a device: `python -m pytest tests/models/test_torch_cuda.py`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.models.formula import clip_config, clip_tensors, pictures
from tests.models.torch_reference import write_tower
from tests.models.verb_towers import TOWER, clip, gather

from nemo_curator.models import numerics, registry
from nemo_curator.models.layouts.clip_arrays import vision_weights
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.runtimes.onnx_runtime import onnxruntime
from nemo_curator.models.runtimes.opening import open_tower
from nemo_curator.models.runtimes.torch_memory import BATCH, fitting, held_bytes, live_bytes
from nemo_curator.models.runtimes.torch_session import TorchSession
from nemo_curator.models.tower_model import unit_rows
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionTower, write

pytestmark = pytest.mark.usefixtures("cuda")

TOWERS = [(clip(), pictures(5, 224)), (gather, pictures(70, 16))]
LEAST = {"fp32": 0.99999, "fp16": 0.9999, "bf16": 0.9995}
SLACK = 1 << 27  # bytes: what cuBLAS works in, and what torch's allocator rounds up


@pytest.fixture(scope="module")
def base():
    """A function that writes a ViT-B/32 of the true size with numbers of our own."""
    tensors = clip_tensors(clip_config(32, 512))
    shape = {field: getattr(TOWER, field) for field in TOWER.__slots__}
    wide = {"width": 768, "hidden": 3072, "layers": 12, "heads": 12, "dimension": 512}
    tower = VisionTower(**{**shape, **wide})

    def written(ops):
        write(ops, vision_weights(tower, Tensors(dict(tensors), "formula")))

    return written


def opened(written, precision="bf16", **settings):
    """A session on the device."""
    return TorchSession(written, precision=precision, device="cuda", **settings)


def noise(count):
    """Pictures that differ in every pixel."""
    return np.random.default_rng(7).integers(0, 256, (count, 224, 224, 3), np.uint8)


def cosines(first, second):
    """Row by row."""
    return np.sum(unit_rows(first).astype(np.float64) * unit_rows(second), axis=1)


@pytest.mark.parametrize("precision", LEAST)
@pytest.mark.parametrize(("written", "batch"), TOWERS)
def test_onnx_runtime_is_met(written, batch, precision):
    """The device gives what the CPU gives in fp32, verb by verb."""
    expected = open_tower(written, Numerics("onnxruntime"), group=1, threads=4, where="").run(batch, "embedding")
    assert (cosines(opened(written, precision).run(batch), expected) >= LEAST[precision]).all()


@pytest.mark.parametrize("precision", LEAST)
def test_the_true_size_is_met(base, precision):
    """ViT-B/32 as it is, on pictures that differ."""
    batch = noise(3)
    expected = open_tower(base, Numerics("onnxruntime"), group=1, threads=4, where="").run(batch, "embedding")
    assert (cosines(opened(base, precision).run(batch), expected) >= LEAST[precision]).all()


@pytest.mark.parametrize("precision", LEAST)
def test_a_row_has_the_same_bits_everywhere(base, precision):
    """Wherever an item stands in a batch, whatever stands beside it, and whenever it is computed."""
    session, batch = opened(base, precision), noise(3 * BATCH + 5)
    rows = session.run(batch)
    np.testing.assert_array_equal(session.run(batch), rows)
    np.testing.assert_array_equal(session.run(batch[::-1])[::-1], rows)
    for start in (1, 7, BATCH - 1, BATCH, 2 * BATCH + 3):
        np.testing.assert_array_equal(session.run(batch[start : start + 9]), rows[start : start + 9])


def test_two_sessions_agree_to_the_bit(base):
    """Nothing is chosen by timing, so that a run which is resumed goes on with the same numbers."""
    batch = noise(BATCH + 1)
    np.testing.assert_array_equal(opened(base).run(batch), opened(base).run(batch))


def test_a_recorded_tower_has_the_bits_of_one_that_is_launched(base):
    """A device that refuses to record gives the same rows."""
    session, batch = opened(base), noise(BATCH + 3)
    rows = session.run(batch)
    assert session.engine.recorded
    session.engine._graph = None
    np.testing.assert_array_equal(session.run(batch), rows)


def test_batches_under_way_do_not_touch_each_other(base):
    """Many batches of one call, and calls of many threads at once, all come back whole and in order."""
    session, batch = opened(base), noise(9 * BATCH + 1)
    assert session.lanes == 2
    rows = session.run(batch)
    pieces = np.concatenate([session.run(batch[start : start + BATCH]) for start in range(0, len(batch), BATCH)])
    np.testing.assert_array_equal(pieces, rows)
    starts = range(0, 200, 10)
    with ThreadPoolExecutor(8) as pool:
        for start, some in zip(starts, pool.map(lambda at: session.run(batch[at:]), starts), strict=True):
            np.testing.assert_array_equal(some, rows[start:])


def test_memory_is_bounded(cuda, base):
    """A session holds its weights, one batch of activations, and three batches of pictures; running adds nothing."""
    cuda.cuda.empty_cache()
    before = cuda.cuda.memory_reserved()
    session = opened(base)
    item = cuda.zeros((1, 224, 224, 3), dtype=cuda.uint8, device="cuda")
    held, each = held_bytes(session._module), live_bytes(session._module, item)
    assert session.batch == fitting(cuda.cuda.mem_get_info()[1], held, each)
    session.run(noise(3 * BATCH))
    after = cuda.cuda.memory_reserved()
    pictures_there = 3 * BATCH * 224 * 224 * 3
    # the rounds before recording and the recording itself each keep their own memory
    assert after - before <= held + 2 * BATCH * each + pictures_there + SLACK
    session.run(noise(10 * BATCH))
    assert cuda.cuda.memory_reserved() == after


def test_the_registry_computes_on_the_device(tmp_path):
    """Where nobody chose, a tower runs there in 16-bit floats, and says so in its provenance."""
    name = "clip-vit-base-patch32"
    write_tower(tmp_path / "openai" / name, clip_config(32, 512))
    assert numerics.default(registry.get_spec(name).precisions).device == "cuda"
    rows = registry.load(name, model_dir=tmp_path)(noise(3))
    plain = registry.create(name, model_dir=tmp_path, numerics=Numerics("onnxruntime"))
    plain.setup()
    assert (cosines(rows, plain(noise(3))) >= 0.9995).all()
    told = registry.provenance(name, tmp_path)
    assert told["model"]["device"] == "cuda"
    assert told["libraries"]["device"] != "unknown"


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_onnx_runtime_computes_on_the_device(base, precision):
    """Where its build for CUDA is installed."""
    if "CUDAExecutionProvider" not in onnxruntime().get_available_providers():
        pytest.skip("this build of ONNX Runtime is without CUDA")
    batch = noise(BATCH + 3)
    on_cpu = open_tower(base, Numerics("onnxruntime"), group=1, threads=4, where="").run(batch, "embedding")
    session = open_tower(base, Numerics("onnxruntime", precision, "cuda"), group=1, threads=1, where="")
    rows = session.run(batch, "embedding")
    assert (cosines(rows, on_cpu) >= LEAST[precision]).all()
    np.testing.assert_array_equal(session.run(batch[5:9], "embedding"), rows[5:9])
