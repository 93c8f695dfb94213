"""Input of the semantic deduplication as it comes: rows without embeddings, types of ids, what is refused at once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.kernels.vectors import clustered
from tests.public_api.semantic_runs import names, run, write

from nemo_curator.errors import InputError

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
