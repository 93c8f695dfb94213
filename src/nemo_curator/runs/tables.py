"""Parquet files to tables."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage


def read_table(url: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a Parquet, all columns or some; a column that it does not have is left out.

    Never through `pyarrow.parquet.read_table`: that reads ahead in Arrow's own threads, which may still hold a Python
    buffer when the interpreter ends, and then end the process with an abort.

    Args:
        url: Path or URL.
        columns: Names of columns.

    Raises:
        OSError: There is no such file.
        pyarrow.ArrowInvalid: It is torn or damaged.
    """
    with storage.open(url) as file, pq.ParquetFile(file, page_checksum_verification=True) as parquet:
        there = set(parquet.schema_arrow.names)
        wanted = [name for name in columns if name in there] if columns is not None else None
        return parquet.read(columns=wanted)
