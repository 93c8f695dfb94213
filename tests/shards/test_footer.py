"""The end of a Parquet alone says what it holds, in one request where it lies elsewhere."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nemo_curator import storage
from nemo_curator.shards.parquet import open_parquet, read_footer

URL = "counted://bucket/table.parquet"


def written(url, rows, columns, name="x"):
    """A table of so many rows and columns, under a name that makes its footer long."""
    table = pa.table({f"{name}{number}": pa.array([number * one for one in range(rows)]) for number in range(columns)})
    with storage.write_atomic(url) as file:
        pq.write_table(table, file, compression="none", use_dictionary=False, write_page_checksum=True)
    return table


@pytest.mark.parametrize(
    ("rows", "columns", "name", "requests"), [(0, 1, "x", 1), (200_000, 3, "x", 1), (9, 300, "x" * 300, 2)]
)
def test_it_says_what_the_whole_says(asked, tmp_path, rows, columns, name, requests):
    """Rows, columns and metadata are those that Arrow reads; a long footer takes a second request."""
    for url in (str(tmp_path / "table.parquet"), URL):
        written(url, rows, columns, name)
        asked.clear()
        found = read_footer(url)
        assert len(asked) == (requests if url == URL else 0)
        expected = pq.read_metadata(tmp_path / "table.parquet")
        assert found.equals(expected)
        assert found.schema.to_arrow_schema().equals(expected.schema.to_arrow_schema(), check_metadata=True)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b"x" * 100_000, b"x" * 100_000 + b"\xff\xff\xff\x7fPAR1"])
def test_what_is_none(asked, data):
    """What is torn, or says that its footer is longer than any, is refused as Arrow refuses it, in one request."""
    with storage.write_atomic(URL) as file:
        file.write(data)
    asked.clear()
    with pytest.raises(pa.ArrowInvalid):
        read_footer(URL)
    assert len(asked) == 1
    with pytest.raises(FileNotFoundError):
        read_footer("counted://bucket/none")


def test_a_large_table_elsewhere(asked):
    """Columns of a table that is longer than its end are what was written, for few requests."""
    table = written(URL, 200_000, 5)
    asked.clear()
    with open_parquet(URL) as parquet:
        assert parquet.read(["x1", "x3"]).equals(table.select(["x1", "x3"]))
    assert len(asked) <= 6
