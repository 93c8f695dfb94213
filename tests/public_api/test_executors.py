"""What the published tutorials import besides: executors of other engines, the client, the Parquet writer."""

from __future__ import annotations

import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.public_api.fakes import Rename, batch_of, ids

from nemo_curator.backends.base import BaseExecutor
from nemo_curator.backends.local import LocalExecutor
from nemo_curator.backends.ray_actor_pool import RayActorPoolExecutor
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.backends.xenna import XennaExecutor
from nemo_curator.core.client import RayClient
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.text.io.writer.parquet import ParquetWriter
from nemo_curator.tasks import DocumentBatch, FileGroupTask

STAND_INS = [XennaExecutor, RayDataExecutor, RayActorPoolExecutor]


def test_base_executor():
    """`execute` is what an executor must write; its config is a mapping of its own."""
    assert BaseExecutor.__abstractmethods__ == {"execute"}
    given = {"num_workers": 1}
    executor = LocalExecutor(given)
    assert executor.config == given
    assert executor.config is not given
    assert LocalExecutor().config == {}


@pytest.fixture
def without_ray(monkeypatch):
    """As where Ray is not installed, which it may be here."""
    monkeypatch.setattr(RayDataExecutor, "_installed", staticmethod(lambda: False))


@pytest.mark.parametrize("kind", STAND_INS)
@pytest.mark.usefixtures("without_ray")
def test_without_ray_executors_warn_once_and_run(kind):
    """One warning says which executor it is and what happens; the pipeline then runs without another."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        executor = kind({"num_workers": 0})
        done = Pipeline("p", stages=[Rename()]).run(executor, [batch_of([0.1])])
    assert len(caught) == 1
    assert kind.__name__ in str(caught[0].message)
    assert "local executor" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert [ids(batch) for batch in done] == [["new-i0"]]


@pytest.mark.parametrize("kind", STAND_INS)
def test_with_ray_only_another_engine_warns(kind, monkeypatch):
    """A pool of Ray actors is what runs; of Cosmos-Xenna one warning says that Ray Data does."""
    monkeypatch.setattr(RayDataExecutor, "_installed", staticmethod(lambda: True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kind()
    assert [str(one.message).partition(":")[0] for one in caught] == ["XennaExecutor"][: kind is XennaExecutor]


@pytest.mark.parametrize("kind", STAND_INS)
@pytest.mark.usefixtures("without_ray")
def test_they_take_their_engines_settings(kind):
    """Settings of the engine are accepted, and those of this machine are used."""
    with pytest.warns(UserWarning, match=kind.__name__):
        executor = kind(
            config={"execution_mode": "streaming", "num_workers": 0, "image_seconds": 5}, ignore_head_node=True
        )
    assert executor.config == {"num_workers": 0, "image_seconds": 5}


@pytest.mark.parametrize("workers", [-1, 1.5, "2", True])
def test_num_workers_must_be_a_number_of_processes(workers):
    """What is no number of processes is refused, instead of waiting for workers that never come."""
    with pytest.raises(ValueError, match="num_workers"):
        LocalExecutor({"num_workers": workers}).execute([Rename()], [batch_of([0.1])])


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), "10"])
def test_image_seconds_must_be_positive(seconds):
    """A time that no image could keep is refused."""
    with pytest.raises(ValueError, match="image_seconds"):
        LocalExecutor({"num_workers": 0, "image_seconds": seconds}).execute([Rename()], [batch_of([0.1])])


def test_ray_client():
    """`start` and `stop` work, with the original's settings, by hand and in a `with`."""
    client = RayClient(num_cpus=4, include_dashboard=False)
    client.start()
    assert client.started
    client.stop()
    assert not client.started
    with RayClient() as client:
        assert client.started
    assert not client.started


def test_parquet_writer(tmp_path):
    """One file a table, named after the task, with its rows; the task of the file says what it holds."""
    stage = ParquetWriter(path=str(tmp_path / "rows"))
    assert stage.name == "parquet_writer"
    batch = DocumentBatch(data=pa.table({"id": ["a", "b"], "n": [1, 2]}), dataset_name="set", task_id="t")
    done = stage.process(batch)
    assert isinstance(done, FileGroupTask)
    assert (done.task_id, done.dataset_name) == ("t", "set")
    (path,) = done.data
    assert pq.read_table(path).to_pydict() == {"id": ["a", "b"], "n": [1, 2]}
    assert stage.process(batch).data == [path]
    other = DocumentBatch(data=batch.data, dataset_name="set", task_id="u")
    assert stage.process(other).data != [path]


def test_parquet_writer_fields(tmp_path):
    """`fields` chooses columns, `write_kwargs` go to Arrow."""
    stage = ParquetWriter(path=str(tmp_path), fields=["n"], write_kwargs={"compression": "gzip"})
    (path,) = stage.process(DocumentBatch(data=pa.table({"id": ["a"], "n": [1]}), task_id="t")).data
    file = pq.ParquetFile(path)
    assert file.schema_arrow.names == ["n"]
    assert file.metadata.row_group(0).column(0).compression == "GZIP"
