"""The executors that every behaviour is checked on."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from tests.contract.on_threads import SeatsExecutor

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline

EXECUTORS = {
    "in-process": (LocalExecutor, 0),
    "one-worker": (LocalExecutor, 1),
    "two-workers": (LocalExecutor, 2),
    "seats": (SeatsExecutor, 2),
}


def make(kind, workers, **settings):
    """An executor with so many workers."""
    return kind({"num_workers": workers, **settings})


def on_ray(**settings):
    """The executor on a cluster that this process starts once, and shares with no other; a skip without Ray."""
    if find_spec("ray") is None:
        pytest.skip("Ray is an extra")
    return make(RayDataExecutor, 2, ray_address="local", **settings)


def named(name):
    """An executor by its name."""
    return on_ray() if name == "ray" else make(*EXECUTORS[name])


@pytest.fixture(params=[*EXECUTORS, "ray"])
def executor(request):
    """Every executor in turn."""
    return named(request.param)


# on Ray each of these takes seconds, and what they check is the runner's, which the quick ones run there too
@pytest.fixture(params=["in-process", "two-workers", "seats", pytest.param("ray", marks=pytest.mark.soak)])
def isolation(request):
    """One executor without worker processes and those with: for behaviour that the shared runner owns."""
    return named(request.param)


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.soak)])
def started(request):
    """Makes an executor with worker processes, of each kind, by the arguments of `LocalExecutor`."""
    if request.param == "local":
        return LocalExecutor
    if find_spec("ray") is None:
        pytest.skip("Ray is an extra")
    return lambda config, *told, **more: RayDataExecutor({"ray_address": "local", **config}, *told, **more)


@pytest.fixture
def run():
    """Runs stages on an executor; returns (results, pipeline)."""

    def run(executor, *stages):
        pipeline = Pipeline("contract", stages=stages)
        return pipeline.run(executor), pipeline

    return run
