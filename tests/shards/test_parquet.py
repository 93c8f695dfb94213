"""Opening Parquet files: what is read leaves memory again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator.shards.parquet import open_parquet


def test_what_was_read_does_not_stay(tmp_path):
    """In the memory of somebody who reads a large file block by block are some blocks, and not all that came before."""
    numbers = np.random.default_rng(0).random(4_000_000)
    pq.write_table(pa.table({"x": numbers}), tmp_path / "a.parquet", row_group_size=50_000, use_dictionary=False)
    before = pa.total_allocated_bytes()
    most = 0
    with open_parquet(str(tmp_path / "a.parquet")) as parquet:
        for batch in parquet.iter_batches(50_000):
            assert len(batch) == 50_000
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < numbers.nbytes // 8
