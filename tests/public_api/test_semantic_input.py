"""Input of the semantic deduplication as it comes: rows without embeddings, types of ids, what is refused at once."""

from __future__ import annotations

import resource
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.kernels.vectors import clustered
from tests.public_api.semantic_runs import names, run, write

from nemo_curator.errors import InputError, StorageError
from nemo_curator.stages.deduplication.semantic import RankingStrategy, SemanticDeduplicationWorkflow

LISTS = pa.list_(pa.float32())


@pytest.mark.parametrize("kind", [LISTS, pa.list_(pa.float32(), 8), pa.null()], ids=["list", "fixed", "null"])
@pytest.mark.parametrize("given", [{}, {"embedding_dim": 8}], ids=["unsaid", "said"])
def test_the_first_file_may_hold_no_embedding_at_all(tmp_path, kind, given):
    """What nothing could be embedded from stands aside, and the width of embeddings comes from the next file."""
    folder = tmp_path / "in"
    write(folder, clustered(60, 8), ids=names(65)[5:])
    pq.write_table(pa.table({"id": names(5), "embeddings": pa.array([None] * 5, kind)}), folder / "!.parquet")
    result, found = run(tmp_path, **given)
    assert (result.metadata["num_rows"], result.metadata["num_without_direction"]) == (65, 5)
    assert found


def test_an_empty_list_is_no_embedding(tmp_path):
    """It stands aside, as a missing one does."""
    rows = [[], *clustered(40, 8).tolist()]
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"id": names(41), "embeddings": pa.array(rows, LISTS)}), tmp_path / "in" / "a.parquet")
    assert run(tmp_path)[0].metadata["num_without_direction"] == 1


def test_no_embedding_anywhere_is_refused(tmp_path):
    """There is nothing to put into clusters."""
    (tmp_path / "in").mkdir()
    table = pa.table({"id": names(9), "embeddings": pa.array([None] * 9, LISTS)})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    with pytest.raises(InputError, match="0 embeddings with a direction do not make 8 clusters"):
        run(tmp_path)


@pytest.mark.parametrize(
    "kind", [pa.dictionary(pa.int32(), pa.string()), pa.dictionary(pa.int8(), pa.large_string()), pa.string_view()]
)
def test_ids_may_be_categories(tmp_path, kind):
    """A dictionary or a view is another way to store text: duplicates are the same, and their ids are text."""
    rows = clustered(120, 8)
    _, expected = run(tmp_path / "plain", rows)
    write(tmp_path / "in", rows, ids=names(120))
    for path in (tmp_path / "in").iterdir():
        table = pq.read_table(path)
        pq.write_table(table.set_column(0, "id", table["id"].cast(kind)), path)
    _, found = run(tmp_path)
    assert found == expected
    assert found


def test_a_category_may_rank(tmp_path):
    """Members are sorted by what it says, also where files number categories differently; half precision ranks too."""
    rows = np.repeat(clustered(8, 8, copies=0), 3, axis=0)
    grade = [f"g{(7 * at) % 24:02d}" for at in range(24)]
    write(tmp_path / "in", rows, grade=grade, half=[float(24 - at) for at in range(24)])
    for path in (tmp_path / "in").iterdir():
        table = pq.read_table(path)
        table = table.set_column(2, "grade", table["grade"].dictionary_encode())
        pq.write_table(table.set_column(3, "half", table["half"].cast(pa.float16())), path)
    for column, best in (("grade", lambda at: grade[at]), ("half", lambda at: -at)):
        _, found = run(tmp_path, metadata_fields=[column], ranking_strategy=RankingStrategy([column]), n_clusters=2)
        kept = {min(range(at, at + 3), key=best) for at in range(0, 24, 3)}
        assert {row["id"] for row in found} >= {name for at, name in enumerate(names(24)) if at not in kept}


def test_an_empty_file_has_columns_of_no_type(tmp_path):
    """It adds nothing."""
    write(tmp_path / "in", clustered(60, 8))
    empty = pa.table({"id": pa.nulls(0), "embeddings": pa.nulls(0)})
    pq.write_table(empty, tmp_path / "in" / "!.parquet")
    pq.write_table(empty, tmp_path / "in" / "z.parquet")
    assert run(tmp_path)[0].metadata["num_rows"] == 60


def test_columns_without_an_order_are_refused(tmp_path):
    """Ids, and what a ranking sorts by, before anything is removed."""
    rows = clustered(30, 8)
    run(tmp_path, rows)
    write(tmp_path / "in", rows, tags=[["a"]] * 30)
    ranking = RankingStrategy(["tags"])
    for given in ({"id_field": "tags"}, {"metadata_fields": ["tags"], "ranking_strategy": ranking}):
        with pytest.raises(InputError, match=r"column 'tags' holds list.* has no order"):
            run(tmp_path, **given)
    assert (tmp_path / "out" / "duplicates" / "duplicates.parquet").exists()
    assert run(tmp_path, metadata_fields=["tags"])[1]


def test_lengths_that_do_not_fit_are_refused_before_anything_is_removed(tmp_path):
    """Centroids of another model, or another length than was said: results of the earlier run stay."""
    run(tmp_path, clustered(30, 8))
    for given, words in (
        ({"init": np.ones((8, 5))}, "8 numbers, and the centroids given as init 5"),
        ({"embedding_dim": 9}, "8 numbers where 9 are expected"),
    ):
        with pytest.raises(InputError, match=words):
            run(tmp_path, **given)
        assert (tmp_path / "out" / "duplicates" / "duplicates.parquet").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"random_state": -1}, "random_state is a whole number of at least 0, not -1"),
        ({"random_state": None}, "random_state is a whole number of at least 0, not None"),
        ({"init": np.full((8, 3), np.nan)}, "init holds NaN"),
        ({"init": [["a"]] * 8}, "init is a name or numbers"),
        ({"init": [[1.0], [1.0, 2.0]]}, "init is a name or numbers"),
        ({"init": None}, "init has the shape"),
        ({"init": np.ones((8, 3)), "embedding_dim": 4}, "init has 3 numbers a row, and embedding_dim is 4"),
        (
            {"write_kwargs": {"compression": "nonsense"}},
            "writer refuses it: .*nonsense",
        ),
        ({"cache_kwargs": {"version": "9"}}, "cache_kwargs: pyarrow's Parquet writer refuses it"),
        ({"cache_kwargs": {"use_dictionary": 5}}, "cache_kwargs: pyarrow's Parquet writer refuses it"),
        ({"write_kwargs": {"write_batch_size": 0}}, "write_batch_size is a whole number of at least 1"),
    ],
)
def test_settings_that_nothing_can_run_with(given, words):
    """They are refused when they are given, and not by a stage hours later."""
    with pytest.raises(ValueError, match=words):
        SemanticDeduplicationWorkflow("in", "out", **({"n_clusters": 8} | given))


def test_a_full_disk_of_temporary_files_is_one_sentence(tmp_path):
    """Embeddings lie in a temporary file meanwhile; the sentence names its folder and the cause."""
    write(tmp_path / "in", clustered(2000, 64), files=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match="limit on file size") as caught:
            run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.where == tempfile.gettempdir()
