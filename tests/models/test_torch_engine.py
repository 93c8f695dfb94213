from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import numpy as np
import pytest
from loguru import logger
from tests.models.formula import pictures
from tests.models.verb_towers import clip

torch = pytest.importorskip("torch", reason="torch is an extra")

from tests.models.cuda_stand_in import Cuda  # noqa: E402  it is made of torch

from nemo_curator.models.runtimes import torch_session  # noqa: E402  after the skip
from nemo_curator.models.runtimes.torch_engine import CudaEngine, exact  # noqa: E402  after the skip
from nemo_curator.models.runtimes.torch_ops import TorchOps  # noqa: E402  after the skip

SIZE = 3


@pytest.fixture
def module():
    """A tower in bf16."""
    ops = TorchOps(torch, dtype=torch.bfloat16, device="cpu")
    clip()(ops)
    return ops.finish()


@pytest.fixture
def engine(module):
    """An engine over a stand-in for CUDA, which records."""
    return CudaEngine(torch, module, np.zeros((SIZE, 224, 224, 3), np.uint8), device="cpu", cuda=Cuda())


def plain(module, batch):
    """What the module itself gives."""
    with torch.inference_mode():
        return module(torch.from_numpy(batch)).numpy()


def over(session, engine):
    """What a session does on CUDA, with another engine."""
    session.batch, session.engine = SIZE, engine
    return [torch_session._CudaLane(engine) for _ in range(torch_session._LANES)]


def filled(items):
    """Items and zeros behind them."""
    return np.concatenate([items, np.zeros((SIZE - len(items), *items.shape[1:]), items.dtype)])


@contextmanager
def warnings_of(lines):
    """Collect what is logged as a warning."""
    number = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    try:
        yield
    finally:
        logger.remove(number)


def test_a_recorded_tower_gives_what_the_tower_gives(engine, module):
    """The same bits for one batch after the other, through the same memory."""
    lane = engine.lane()
    for seed in range(3):
        batch = np.roll(pictures(SIZE, 224), seed, axis=1)
        lane.fill(batch)
        engine.submit(lane)
        np.testing.assert_array_equal(lane.result(), plain(module, batch))
    assert engine.recorded
    assert engine._graph.replays == 3


def test_what_cannot_be_recorded_is_launched(module):
    """The bits are the same, and a line in the log says that it is slower."""
    told, cuda = [], Cuda(RuntimeError("operation not permitted when stream is capturing\nand more"))
    with warnings_of(told):
        engine = CudaEngine(torch, module, np.zeros((SIZE, 224, 224, 3), np.uint8), device="cpu", cuda=cuda)
    assert not engine.recorded
    (line,) = told
    assert "operation not permitted when stream is capturing" in line
    assert "and more" not in line
    lane, batch = engine.lane(), pictures(SIZE, 224)
    lane.fill(batch)
    engine.submit(lane)
    np.testing.assert_array_equal(lane.result(), plain(module, batch))


def test_a_device_that_is_full_is_not_taken_for_one_that_refuses(module):
    """Memory that is lacking while a graph is recorded would be lacking later too."""
    sample, cuda = np.zeros((SIZE, 224, 224, 3), np.uint8), Cuda(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        CudaEngine(torch, module, sample, device="cpu", cuda=cuda)


def test_a_batch_that_is_not_full_leaves_nothing_of_the_last_one(engine, module):
    """What a lane held before is gone."""
    lane = engine.lane()
    lane.fill(pictures(SIZE, 224))
    lane.fill(pictures(1, 224))
    engine.submit(lane)
    np.testing.assert_array_equal(lane.result(), plain(module, filled(pictures(1, 224))))
    assert not lane.here[1:].any()


def test_computing_waits_for_the_copy(engine):
    """The computing stream waits for the event that the copying one sets, once a batch."""
    lane = engine.lane()
    for _ in range(2):
        engine.submit(lane)
    assert engine._computing.waited == [lane.copied, lane.copied]
    assert lane.copied.recorded == lane.done.recorded == 2
    assert lane.done.blocking


def test_the_bare_model_can_be_repeated(engine):
    """Measuring replays what lies on the device."""
    engine.repeat(4)
    assert engine._graph.replays == 4


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_two_batches_are_under_way(engine, module, count, monkeypatch):
    """A session over two lanes gives all rows in their order, also to threads that share it."""
    monkeypatch.setattr(torch_session.TorchSession, "_on_cpu", lambda self, *_: over(self, engine))
    session = torch_session.TorchSession(clip(), precision="bf16", device="cpu")
    batch = pictures(count, 224)
    expected = np.concatenate(
        [plain(module, filled(batch[start : start + SIZE]))[: count - start] for start in range(0, count, SIZE)]
    )
    np.testing.assert_array_equal(session.run(batch), expected)
    with ThreadPoolExecutor(5) as pool:
        for rows in pool.map(session.run, [batch] * 10):
            np.testing.assert_array_equal(rows, expected)
    assert session.lanes == session._free.qsize() == 2


def test_settings_of_torch_are_put_back():
    """Whoever shares the process keeps what he chose, also after a failure."""
    matmul = torch.backends.cuda.matmul
    names = ("allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction")
    before = [getattr(matmul, name) for name in names]
    matmul.allow_bf16_reduced_precision_reduction = True
    try:
        inside = []
        with suppress(KeyError), exact(torch):
            inside += [getattr(matmul, name) for name in names]
            raise KeyError
        assert inside == [False, False]
        assert matmul.allow_bf16_reduced_precision_reduction
    finally:
        for name, value in zip(names, before, strict=True):
            setattr(matmul, name, value)


def test_products_are_made_by_the_library_that_can_be_told():
    """With cuBLAS torch refuses to work where sums may not be split, so cuBLASLt makes the products, meanwhile."""
    chosen = ["cublas"]

    def preferred(library=None):
        if library is not None:
            chosen.append(library)
        return chosen[-1]

    matmul = SimpleNamespace(fp32_precision="none")
    for kind in ("bf16", "fp16"):
        setattr(matmul, f"allow_{kind}_reduced_precision_reduction", True)
        setattr(matmul, f"allow_{kind}_reduced_precision_reduction_split_k", True)
    cuda = SimpleNamespace(matmul=matmul, preferred_blas_library=preferred)
    built_for_cuda = SimpleNamespace(version=SimpleNamespace(cuda="13.0"), backends=SimpleNamespace(cuda=cuda))
    with exact(built_for_cuda):
        assert chosen[-1] == "cublaslt"
        assert matmul.allow_bf16_reduced_precision_reduction == (False, False)
    assert chosen[-1] == "cublas"
    assert matmul.allow_bf16_reduced_precision_reduction == (True, True)
