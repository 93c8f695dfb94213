"""Part files, embeddings, and the frozen list of partitions."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.tables import SCHEMA, made_run, row

from nemo_curator.errors import InputError, StageError
from nemo_curator.runs import parts
from nemo_curator.runs.fingerprints import RECORDS
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions, write_partitions
from nemo_curator.runs.parts import (
    ERROR,
    part_facts,
    part_row,
    part_schema,
    read_embeddings,
    read_part,
    write_embeddings,
    write_part,
)
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import partition
from nemo_curator.stages.declarations import Column
from nemo_curator.stages.image.io.rows import IDENTITY
from nemo_curator.tasks import ImageObject
from nemo_curator.testing import encoded, make_tar, photo


def test_schema_is_identity_then_scores_then_error():
    """A part's columns: identity, the run's scores with their declared types, and the error."""
    assert SCHEMA.names == [*IDENTITY, "a", "b", "flag", "word", *ERROR]
    assert [SCHEMA.field(name).type for name in ("a", "b", "flag", "word")] == [
        pa.float64(), pa.int64(), pa.bool_(), pa.string()
    ]  # fmt: skip


@pytest.mark.parametrize("names", [("x", "x"), ("x", "X"), ("width",), ("Width",), ("error",)])
def test_two_columns_of_one_name(names):
    """Two scores of one name, or one named as an identity column, are refused; SQL does not tell their case apart."""
    with pytest.raises(StageError, match="two stages record the column"):
        part_schema([Column(name) for name in names])


def test_rows_are_in_source_order_whatever_order_they_came_in(tmp_path):
    """A part's bytes depend on its rows, not on the order in which batches and records reached the writer."""
    rows = [{"ordinal": at, **row(f"{at}", a=at / 3)} for at in range(20)]
    run = RunDirectory(str(tmp_path))
    write_part(run, "1", rows, SCHEMA)
    write_part(run, "2", rows[::-1], SCHEMA)
    first, second = ((tmp_path / "parts" / f"{name}.parquet").read_bytes() for name in "12")
    assert first == second
    assert read_part(run, "1", ["image_id"])["image_id"].to_pylist() == [str(at) for at in range(20)]


def test_a_stage_that_drops_is_told_from_one_that_fails():
    """A record of an image that a stage dropped has the code `dropped`; one in quarantine has its own code."""
    image = ImageObject(image_id="x")
    assert part_row(image.rejected(stage="theirs", detail="gone"))["error"] == "dropped"
    assert part_row(image.quarantined(stage="reader", code="unreadable", detail="no"))["error"] == "unreadable"
    assert "error" not in part_row(image)


def test_a_value_of_the_wrong_type_is_no_part(tmp_path):
    """A text in a column of numbers is an error, and no part appears."""
    run = RunDirectory(str(tmp_path))
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        write_part(run, "1", [{"ordinal": 0, **row("x", a="much")}], SCHEMA)
    assert not list((tmp_path / "parts").glob("*.parquet"))


def test_embeddings_are_half_precision_lists_of_one_length(tmp_path):
    """Embeddings are stored as fixed-size lists of float16, row by row, and come back to within half precision."""
    run = RunDirectory(str(tmp_path))
    vectors = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    write_embeddings(run, "1", list("abcde"), list(vectors))
    table = pq.read_table(run.embeddings("1"))
    assert table["embedding"].type == pa.list_(pa.float16(), 7)
    np.testing.assert_allclose(np.stack(table["embedding"].to_numpy()), vectors, rtol=1e-3)


def test_partitions_survive_freezing(tmp_path):
    """The frozen list reads back as it was, with names that are not UTF-8, sidecars, and its ids."""
    folder = tmp_path / "in"
    make_tar(folder / "a.tar", [("x.jpg", encoded(photo()))])
    (folder / "b.jpg").write_bytes(encoded(photo(1)))
    (folder / "b.txt").write_text("caption")
    odd = os.fsencode(folder) + b"/caf\xe9.jpg"
    with open(odd, "wb") as file:  # noqa: PTH123
        file.write(encoded(photo(2)))
    partitions = partition(list_inputs([str(folder)]).entries)
    run = RunDirectory(str(tmp_path / "run"))
    write_partitions(run, partitions)
    assert read_partitions(run) == partitions
    assert [one.id for one in read_partitions(run)] == [one.id for one in partitions]


def test_reading_some_columns(tmp_path):
    """Only the columns asked for are read."""
    run, ids = made_run(tmp_path, [row("x", a=1.0)])
    assert read_part(run, ids[0], ["image_id", "a"]).column_names == ["image_id", "a"]


def _renamed(path, old: bytes, new: bytes) -> None:
    """Alter a name in the end of a Parquet, which has no checksum."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize("name", [b"members", b"sha256", b"error_stage", b"flag"])
@pytest.mark.parametrize("every", [True, False])
def test_part_whose_columns_were_renamed(tmp_path, name, every):
    """A part without a column that it was written with is damaged, not one that lacks a score; so it is scored anew."""
    run = RunDirectory(str(tmp_path / "run"))
    write_part(run, "p", [{"ordinal": 0, **row("x", flag=True)}], SCHEMA, {RECORDS: "1", "flag": "2", "a": "3"})
    assert read_part(run, "p", ["image_id"]).num_rows == 1
    path = tmp_path / "run" / "parts" / "p.parquet"
    if every:
        table = pq.read_table(path)
        names = ["other" if one == name.decode() else one for one in table.schema.names]
        pq.write_table(table.rename_columns(names).replace_schema_metadata(table.schema.metadata), path)
    else:  # Parquet's own name alone, not that of Arrow, which is behind it in base64
        _renamed(path, name, name[:-1] + b"~")
    assert part_facts(run, "p") is None
    with pytest.raises(InputError, match="damaged or missing"):
        read_part(run, "p", ["image_id"])


@pytest.mark.parametrize("name", [b"image_id", b"embedding"])
def test_embeddings_whose_columns_were_renamed(tmp_path, name):
    """Embeddings under another name are damaged ones."""
    run = RunDirectory(str(tmp_path / "run"))
    write_embeddings(run, "p", ["x"], [np.ones(4, np.float32)])
    path = tmp_path / "run" / "embeddings" / "p.parquet"
    table = pq.read_table(path)
    names = ["other" if one == name.decode() else one for one in table.schema.names]
    pq.write_table(table.rename_columns(names), path)
    with pytest.raises(InputError, match="damaged or missing"):
        read_embeddings(run, "p")


def test_equal_rows_are_equal_bytes_however_they_come(tmp_path, monkeypatch):
    """A part that was gathered in pieces, and one that was merged whole, are one file."""
    monkeypatch.setattr(parts, "ROW_GROUP", 10)
    table = parts.part_table([{**row(f"i{at:02}"), "ordinal": at} for at in range(33)], SCHEMA)
    ways = {
        "whole": table,
        "pieces": [table.slice(at, 7) for at in range(0, 33, 7)],
        "odd": [table.slice(0, 0), table.slice(0, 10), table.slice(10, 20), table.slice(30)],
    }
    written = set()
    for name, tables in ways.items():
        run = RunDirectory(str(tmp_path / name))
        parts.write_part_table(run, "p", tables, {})
        written.add((tmp_path / name / "parts" / "p.parquet").read_bytes())
        assert parts.read_part(run, "p").to_pylist() == table.to_pylist()
    assert len(written) == 1
