"""The embeddings of a run as files for other programs."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.processes import tree
from tests.runs.embedded import embedded_run, unit_rows

from nemo_curator import storage
from nemo_curator.errors import ConservationError, InputError
from nemo_curator.runs import embedding_files
from nemo_curator.runs.embedding_files import Extent, extent_of, write_embedding_files, write_unreadable
from nemo_curator.runs.embedding_names import MANIFEST, UNREADABLE, EmbeddingSettings, is_our_name, pieces

BOTH = ("parquet", "npy")


def rows_of(count, seed=0, broken=()):
    """Pairs of an id and a vector, or an error code for those that are broken."""
    vectors = unit_rows(count, seed=seed)
    return [(f"{seed}/{at:04d}", "decode_failed" if at in broken else vectors[at]) for at in range(count)]


def written(run, ids, output, settings, dimension=16):
    """Write all files of a run, and list their names."""
    files = write_embedding_files(run, ids, str(output), settings, extent_of(run, ids, dimension))
    assert all(one.bytes == (Path(output) / one.name).stat().st_size for one in files)
    return [one.name for one in files]


@given(st.integers(0, 10**7), st.integers(1, 10**6), st.sets(st.sampled_from(BOTH), min_size=1))
def test_pieces_are_all_rows_once_under_names_of_ours(rows, most, forms):
    """Every row is in one piece, none holds more than the limit, all but the last are full, and names are distinct."""
    settings = EmbeddingSettings(tuple(one for one in BOTH if one in forms), rows_per_file=max(most, rows // 500))
    found = pieces(rows, settings)
    assert sum(one.rows for one in found) == rows
    assert all(one.rows == settings.rows_per_file for one in found[:-1])
    assert found[-1].rows <= settings.rows_per_file
    names = [name for one in found for name in one.names(settings)]
    assert len(set(names)) == len(names)
    assert all(map(is_our_name, [*names, MANIFEST, UNREADABLE]))


@pytest.mark.parametrize("name", [
    "notes.txt", "embeddings.parquet.bak", "a/embeddings.parquet", "embeddings-1-of-2.npy",
    "ids.npy", "Embeddings.json", "run/embeddings/0123456789abcdef.parquet",
])  # fmt: skip
def test_other_names_are_not_ours(name):
    """Nothing but what is written bears a name of ours."""
    assert not is_our_name(name)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_files_hold_what_the_run_holds(tmp_path, dtype):
    """Ids, facts and numbers in source order, in both forms; in 32 bits they are the same numbers."""
    first, second = rows_of(12, 1, broken={3}), rows_of(9, 2)
    run, ids = embedded_run(tmp_path, first, [("none", "over_limit")], second)
    out = tmp_path / "out"
    names = written(run, ids, out, EmbeddingSettings(BOTH, dtype))
    assert names == ["embeddings.parquet", "embeddings.npy", "ids.parquet"]
    readable = [pair for pair in [*first, *second] if not isinstance(pair[1], str)]
    expected = np.array([vector for _, vector in readable], np.float16).astype(dtype)
    matrix = np.load(out / "embeddings.npy", mmap_mode="r")
    assert (matrix.dtype, matrix.shape) == (np.dtype(dtype), (20, 16))
    assert np.array_equal(matrix, expected)
    table = pq.read_table(out / "embeddings.parquet")
    assert table["image_id"].to_pylist() == [name for name, _ in readable]
    assert table.schema.field("embedding").type.list_size == 16
    assert np.array_equal(np.array(table["embedding"].to_pylist(), dtype), expected)
    assert table.drop(["embedding"]).equals(pq.read_table(out / "ids.parquet"))
    assert table["source"].to_pylist() == ["a.tar"] * 20
    assert table["width"].to_pylist()[:4] == [10, 11, 12, 14]


def test_bytes_do_not_depend_on_the_partitions(tmp_path, monkeypatch):
    """The same images in other partitions are the same files, also where rows are written in blocks."""
    monkeypatch.setattr(embedding_files, "ROWS", 7)
    rows = rows_of(40, broken={5, 6, 39})
    trees = []
    for name, cuts in (("one", [0, 40]), ("two", [0, 1, 20, 40]), ("three", [0, 13, 14, 15, 40])):
        run, ids = embedded_run(tmp_path / name, *(rows[a:b] for a, b in pairwise(cuts)))
        written(run, ids, tmp_path / name / "out", EmbeddingSettings(BOTH, rows_per_file=15))
        write_unreadable(run, ids, str(tmp_path / name / "out"))
        trees.append(tree(tmp_path / name / "out"))
    assert trees[0] == trees[1] == trees[2]
    matrices = [name for name in sorted(trees[0]) if name.endswith(".npy")]
    assert matrices == [f"embeddings-{at:05d}-of-00003.npy" for at in range(3)]
    assert np.load(tmp_path / "one" / "out" / "embeddings-00002-of-00003.npy").shape == (7, 16)


def test_what_cannot_be_read_is_listed(tmp_path):
    """Inputs without an embedding, with the reason; no file where there are none."""
    run, ids = embedded_run(tmp_path, rows_of(5, broken={1, 4}), [("x", "over_limit")])
    codes, file = write_unreadable(run, ids, str(tmp_path / "out"))
    assert codes == {"decode_failed": 2, "over_limit": 1}
    assert (file.name, file.rows) == (UNREADABLE, 3)
    listed = pq.read_table(tmp_path / "out" / UNREADABLE).to_pylist()
    assert [one["image_id"] for one in listed] == ["0/0001", "0/0004", "x"]
    assert listed[2]["error_detail"] == "it is so"
    good, ids = embedded_run(tmp_path / "good", rows_of(3))
    assert write_unreadable(good, ids, str(tmp_path / "nothing")) == ({}, None)
    assert not (tmp_path / "nothing").exists()


def test_nothing_can_be_read(tmp_path):
    """A run without one readable image gives empty files of the model's dimension."""
    run, ids = embedded_run(tmp_path, [("x", "over_limit")])
    written(run, ids, tmp_path / "out", EmbeddingSettings(BOTH), dimension=768)
    assert np.load(tmp_path / "out" / "embeddings.npy").shape == (0, 768)
    table = pq.read_table(tmp_path / "out" / "embeddings.parquet")
    assert (table.num_rows, table.schema.field("embedding").type.list_size) == (0, 768)


def test_a_remote_output(tmp_path):
    """An output may be a URL, and so may the run."""
    run, ids = embedded_run("memory://files", rows_of(6))
    files = write_embedding_files(run, ids, "memory://files/out", EmbeddingSettings(BOTH), extent_of(run, ids, 16))
    (tmp_path / "a.npy").write_bytes(storage.read_range("memory://files/out/embeddings.npy", 0, 10**6))
    assert np.load(tmp_path / "a.npy").shape == (6, 16)
    assert [one.rows for one in files] == [6, 6, 6]


def _torn(run, ids):
    """A page of the embeddings is another one."""
    path = Path(run.embeddings(ids[0]))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def _of_other_images(run, ids):
    """The embeddings are of other images than the part."""
    other, _ = embedded_run(Path(run.root).parent / "other", rows_of(400, 7), rows_of(5, 8))
    for name in ("embeddings", "embedding_matrix"):
        Path(getattr(other, name)(ids[0])).rename(getattr(run, name)(ids[0]))


@pytest.mark.parametrize("harm", [_torn, _of_other_images])
def test_damage_is_found_while_writing(tmp_path, harm):
    """Damaged embeddings, or those of other images, are one sentence, and no file gets its name."""
    run, ids = embedded_run(tmp_path, rows_of(400), rows_of(5, 1))
    extent = extent_of(run, ids, 16)
    harm(run, ids)
    with pytest.raises(InputError, match=re.escape(run.embeddings(ids[0]))):
        write_embedding_files(run, ids, str(tmp_path / "out"), EmbeddingSettings(BOTH), extent)
    assert tree(tmp_path / "out") == {}


def test_damage_is_found_before_writing(tmp_path):
    """What the ends of the files tell is told first: a part or embeddings that are gone, or of another model."""
    run, ids = embedded_run(tmp_path, rows_of(4), rows_of(5, 1))
    with pytest.raises(InputError, match="its vectors have 16 numbers, not 768"):
        extent_of(run, ids, 768)
    storage.remove(run.embedding_matrix(ids[0]))
    with pytest.raises(InputError, match="is missing or torn"):
        extent_of(run, ids, 16)
    storage.remove(run.part(ids[0]))
    with pytest.raises(InputError, match="is missing or torn"):
        extent_of(run, ids, 16)


def test_missing_rows_are_a_fault(tmp_path):
    """Fewer embeddings than were counted are never written as if they were all."""
    run, ids = embedded_run(tmp_path, rows_of(4))
    with pytest.raises(ConservationError, match="2 embeddings are missing"):
        write_embedding_files(run, ids, str(tmp_path / "out"), EmbeddingSettings(), Extent(6, 6, 16))
    assert tree(tmp_path / "out") == {}


def test_settings_are_plain_data():
    """They can be written down and compared."""
    facts = EmbeddingSettings(BOTH, "float32", 5).facts
    assert json.loads(json.dumps(facts)) == {"forms": ["parquet", "npy"], "dtype": "float32", "rows_per_file": 5}
