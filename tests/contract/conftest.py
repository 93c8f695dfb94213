"""The executors that every behaviour is checked on."""

from __future__ import annotations

import warnings

import pytest

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.ray_actor_pool import RayActorPoolExecutor
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.backends.xenna import XennaExecutor
from nemo_curator.pipeline import Pipeline

EXECUTORS = {
    "in-process": (LocalExecutor, 0),
    "one-worker": (LocalExecutor, 1),
    "two-workers": (LocalExecutor, 2),
    "xenna": (XennaExecutor, 1),
    "ray-data": (RayDataExecutor, 1),
    "ray-actor-pool": (RayActorPoolExecutor, 1),
}


def make(kind, workers, **settings):
    """An executor, without the warning that it stands in for another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind({"num_workers": workers, **settings})


@pytest.fixture(params=EXECUTORS)
def executor(request):
    """Every executor in turn."""
    return make(*EXECUTORS[request.param])


@pytest.fixture(params=["in-process", "two-workers"])
def isolation(request):
    """One executor without worker processes and one with: for behaviour that the shared runner owns."""
    return make(*EXECUTORS[request.param])


@pytest.fixture
def run():
    """Runs stages on an executor; returns (results, pipeline)."""

    def run(executor, *stages):
        pipeline = Pipeline("contract", stages=stages)
        return pipeline.run(executor), pipeline

    return run
