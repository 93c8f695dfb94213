"""Some images' rows, found without reading the rest."""

from __future__ import annotations

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nemo_curator.runs import lookup
from nemo_curator.runs.lookup import find_row, find_rows

IDS = [
    *(f"a/{at:04d}" for at in range(40)),
    *(f"señor/{at}" for at in range(20)),
    *("ключ/1", "z" * 5000, "\U0001f4f7/x", "caf\\xe9.jpg", "a\nb", ""),
]


@pytest.fixture
def rows(tmp_path):
    """A Parquet of several row groups of ten."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image_id": IDS, "at": list(range(len(IDS)))}), path, row_group_size=10)
    return str(path)


def test_every_row_is_found(rows):
    """Whatever the id, its own row is found."""
    assert [find_row(rows, one)["at"] for one in IDS] == list(range(len(IDS)))


def test_several_rows_at_once(rows):
    """Rows of any row groups come together; ids that are not there, or are no text, have none."""
    found = find_rows(rows, [*IDS[5:50:3], "nobody", "caf\udce9.jpg"])
    assert {one: row["at"] for one, row in found.items()} == {IDS[at]: at for at in range(5, 50, 3)}
    assert find_rows(rows, []) == {}


def test_only_the_columns_that_are_asked_for_are_brought(rows):
    """The id comes in any case; a column that the file does not have is left out."""
    assert find_rows(rows, ["a/0001"], ["nothing"]) == {"a/0001": {"image_id": "a/0001"}}
    assert find_rows(rows, ["a/0001"], ["at"]) == {"a/0001": {"image_id": "a/0001", "at": 1}}


def test_of_two_rows_of_one_id_the_first_is_found(tmp_path):
    """In one row group, and in two."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image_id": ["a", "b", "b", "a"], "at": [0, 1, 2, 3]}), path, row_group_size=3)
    assert {one: row["at"] for one, row in find_rows(str(path), ["a", "b"]).items()} == {"a": 0, "b": 1}


@pytest.mark.parametrize(
    "missing",
    ["b", "a/00", "a/0000 ", "señor", "zz", "\x00", "\U0010ffff", "caf\udce9.jpg", "\ud800", os.fsdecode(b"\xff")],
)
def test_missing_rows(rows, missing):
    """An id that is not there, or could not be anywhere because it is not text, has no row."""
    assert find_row(rows, missing) is None


def test_row_groups_that_cannot_hold_the_id_are_not_read(rows, monkeypatch):
    """Of a file in order of ids only the one row group is read that may hold the id."""
    read = []

    class Watched(pq.ParquetFile):
        """A file that notes which row groups are read."""

        def read_row_group(self, group, **settings):
            read.append(group)
            return super().read_row_group(group, **settings)

    monkeypatch.setattr(lookup.pq, "ParquetFile", Watched)
    assert find_row(rows, "a/0025")["at"] == 25
    assert set(read) == {2}
    assert find_row(rows, "Zebra") is None
    assert 0 not in read


def test_file_without_statistics(tmp_path):
    """Without statistics everything is looked at, and found."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image_id": IDS}), path, row_group_size=10, write_statistics=False)
    assert find_row(str(path), IDS[-1]) == {"image_id": IDS[-1]}


def test_nulls_and_nothing(tmp_path):
    """Row groups of NULLs, and a file without rows, have no row to find."""
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"image_id": pa.array([None, None], pa.string())}), path)
    assert find_row(str(path), "a") is None
    pq.write_table(pa.table({"image_id": pa.array([], pa.string())}), path)
    assert find_row(str(path), "a") is None


def test_torn_file(rows, tmp_path):
    """A torn file is an error that says so, and a missing one is missing."""
    torn = tmp_path / "torn.parquet"
    with open(rows, "rb") as file:  # noqa: PTH123
        torn.write_bytes(file.read()[:-20])
    with pytest.raises(pa.ArrowInvalid):
        find_row(str(torn), "a/0001")
    with pytest.raises(FileNotFoundError):
        find_row(str(tmp_path / "nowhere.parquet"), "a/0001")
