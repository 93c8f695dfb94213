"""Tables of images, whatever kind of file holds them: a Parquet, an Arrow stream, rows of a Lance data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from nemo_curator.shards import parquet_rows
from nemo_curator.shards.arrow_rows import ArrowRows, holds_image_stream, open_arrow
from nemo_curator.shards.lance_rows import LanceRows, open_lance_rows
from nemo_curator.shards.names import is_arrow_name, is_fragment_name

Rows = parquet_rows.ImageRows | ArrowRows | LanceRows
"""The rows of an open table."""


@contextmanager
def open_rows(location: str) -> Iterator[Rows | None]:
    """Open a table of images; None where it has no column of them.

    Args:
        location: Path or URL; its name says what it is.

    Raises:
        OSError: It cannot be opened, or is damaged.
        pyarrow.ArrowException: It is damaged.
        StorageError: A remote Arrow stream has no room.
    """
    opened: Callable[[str], AbstractContextManager[Rows | None]] = parquet_rows.open_rows
    if is_fragment_name(location):
        opened = open_lance_rows
    elif is_arrow_name(location):
        opened = open_arrow
    with opened(location) as rows:
        yield rows


def holds_images(location: str) -> bool:
    """Whether a file is a table with a column of images; no row is read.

    Args:
        location: Path or URL; its name says what it is.
    """
    return holds_image_stream(location) if is_arrow_name(location) else parquet_rows.holds_images(location)
