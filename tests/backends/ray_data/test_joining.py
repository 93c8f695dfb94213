"""Joining a cluster, as far as that goes without Ray."""

from __future__ import annotations

import socket

import pytest

from nemo_curator.backends.choosing import check_executor, executor_for
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.backends.ray_data.cluster import check_reachable
from nemo_curator.errors import StageError
from nemo_curator.planning.means import Asked


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "127.0.0.1:99999"])
def test_nobody_at_that_address(address):
    """It is said within seconds, with the next act; Ray itself tries for minutes."""
    with pytest.raises(StageError, match=r"no Ray cluster answers .*--ray-address") as caught:
        check_reachable(address)
    assert caught.value.where == address


@pytest.mark.parametrize("address", ["auto", "some-name", "a:b"])
def test_other_forms_are_left_to_ray(address):
    """Which knows what they mean."""
    assert not check_reachable(address)


def test_somebody_listens():
    """Who it is, Ray finds out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert check_reachable(f"127.0.0.1:{server.getsockname()[1]}")


def test_executors_by_name(monkeypatch):
    """What the user said goes to the executor; of others there is none."""
    monkeypatch.setattr(RayDataExecutor, "_installed", staticmethod(lambda: True))
    told = ({"image_seconds": 5}, print, print, print)
    assert type(executor_for(Asked(), *told)) is LocalExecutor
    there = executor_for(Asked(executor="ray", address="a:1"), *told)
    assert type(there) is RayDataExecutor
    assert there.config == {"image_seconds": 5, "ray_address": "a:1"}
    with pytest.raises(ValueError, match="there is no executor 'dask'; there are local, ray"):
        check_executor(Asked(executor="dask"))
    with pytest.raises(ValueError, match="the local executor has none"):
        check_executor(Asked(address="a:1"))


def test_what_is_worked_on_here():
    """Protect sets are, wherever the rest is; workers of a cluster are no workers of this machine, but none is none."""
    assert Asked(3, 10**9).here == Asked(3, 10**9)
    assert Asked(400, 10**9, "ray", "a:1").here == Asked(None, 10**9)
    assert Asked(0, None, "ray").here == Asked(0, None)
    assert Asked(3, 10**9, "ray", "a:1").config == {"num_workers": 3, "memory": 10**9}
