"""The decisions of a run, opened for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator.errors import InputError
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.parquet import open_parquet


@contextmanager
def reading_decisions(run: RunDirectory) -> Iterator[pq.ParquetFile]:
    """The open file of decisions; what goes wrong while the block reads it is told in a sentence.

    Raises:
        InputError: The run is not decided, or its decisions cannot be read.
    """
    try:
        with open_parquet(run.decisions) as parquet:
            yield parquet
    except FileNotFoundError:
        raise InputError("this run is not decided", where=run.root, act="decide it first") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            "these decisions cannot be read", where=run.decisions, cause=str(error).splitlines()[0], act="decide again"
        ) from None
