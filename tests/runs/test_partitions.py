"""The frozen list of partitions."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.processes import pictures

from nemo_curator.errors import InputError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partition_ids, read_partitions, write_partitions
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import Partition, partition


def run_in(folder) -> RunDirectory:
    """A run directory."""
    return RunDirectory(str(folder / "run"))


def test_no_list_yet(tmp_path):
    """A run that was killed before its list was written has no partition."""
    assert read_partitions(run_in(tmp_path)) == []
    assert read_partition_ids(run_in(tmp_path)) == []


def test_relative_places_are_found_from_anywhere(tmp_path, monkeypatch):
    """A list that was made of a relative input holds its whole path; URLs stay as they are."""
    pictures(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    for given in ("in", "./in/", "in/../in"):
        entries = [*list_inputs([given]).entries]
        write_partitions(run_in(tmp_path), partition(entries))
        found = [entry for one in read_partitions(run_in(tmp_path)) for entry in one.entries]
        assert [entry.location for entry in found] == [f"{tmp_path}/in/{at:03d}.jpg" for at in range(3)]
        assert {entry.root for entry in found} == {f"{tmp_path}/in"}
    remote = Partition(
        (Entry("s3://b/a.tar", "s3://b", "", "a.tar", "tar"), Entry("s3://b/b.tar", "", "", "b.tar", "tar"))
    )
    write_partitions(run_in(tmp_path), [remote])  # fmt: skip
    assert read_partitions(run_in(tmp_path)) == [remote]


def test_ids_in_source_order(tmp_path):
    """The ids alone are read in the order of the partitions, each once."""
    partitions = [
        Partition((Entry(f"/{name}", "", "", name, "image"), Entry(f"/{name}2", "", "", f"{name}2", "image")))
        for name in "zay"
    ]
    write_partitions(run_in(tmp_path), partitions)
    assert read_partition_ids(run_in(tmp_path)) == [one.id for one in partitions]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"x" * 100])
def test_damaged_list(tmp_path, data):
    """A list that is torn is one sentence that says what to do."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "partitions.parquet").write_bytes(data)
    for read in (read_partitions, read_partition_ids):
        with pytest.raises(InputError, match=r"the list of partitions is damaged .*; remove that file and score again"):
            read(run_in(tmp_path))


def test_list_of_something_else(tmp_path):
    """A Parquet of other columns is no list of partitions."""
    (tmp_path / "run").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "run" / "partitions.parquet")
    for read in (read_partitions, read_partition_ids):
        with pytest.raises(InputError, match="the list of partitions is damaged"):
            read(run_in(tmp_path))


@pytest.mark.parametrize("column", ["partition_id", "location", "root", "input", "kind", "size", "sidecars", "version"])
@pytest.mark.parametrize("value", [None, "text"])
def test_list_with_wrong_values(tmp_path, column, value):
    """NULL, or text where a number or a list belongs, is one sentence and never a traceback."""
    write_partitions(run_in(tmp_path), [Partition((Entry("/a", "/", "", "a", "image", 3, ("a.txt",)),))])
    table = pq.read_table(tmp_path / "run" / "partitions.parquet")
    if value is not None and column not in {"size", "sidecars"}:
        return
    at = table.schema.get_field_index(column)
    kind = table.schema.field(at).type if value is None else pa.string()
    pq.write_table(table.set_column(at, column, pa.array([value], kind)), tmp_path / "run" / "partitions.parquet")
    with pytest.raises(InputError, match="the list of partitions is damaged"):
        read_partitions(run_in(tmp_path))
