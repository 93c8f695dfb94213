"""Tables that name images by URLs and hold none: nothing that a run reads, but what `imagecurator fetch` downloads."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from nemo_curator.errors import InputError
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.names import is_parquet_name
from nemo_curator.shards.parquet import open_parquet
from nemo_curator.shards.parquet_schema import is_text

URL_NAMES = ("url", "image_url", "img_url", "imageurl", "image_link", "img_src", "src", "link", "href")
"""Names of columns that are taken for URLs, the most usual first; upper and lower case are alike."""


def refuse_url_tables(entries: Sequence[Entry], place: str) -> None:
    """Say before anything is read that an input is a list of URLs, which is fetched first.

    Args:
        entries: All that an input holds.
        place: Path or URL of the input.

    Raises:
        InputError: It holds nothing but Parquet files without images, the first of which has a column of URLs.
    """
    if not entries or any(one.kind != "stray" or not is_parquet_name(one.path) for one in entries):
        return
    column = _url_column(entries[0].location)
    if column:
        raise InputError(
            "this is a list of URLs, and no image is in it",
            where=place,
            cause=f"{entries[0].path!r} has the column {column!r} and no column of images",
            act=f"download them with `imagecurator fetch {place} FETCHED`, and give FETCHED as the input",
        )


def _url_column(location: str) -> str:
    """A column of text with a usual name for URLs; "" where a file has none, or cannot be read."""
    try:
        with open_parquet(location) as parquet:
            schema = parquet.schema_arrow
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        return ""
    return next((one.name for one in schema if one.name.lower() in URL_NAMES and is_text(one.type)), "")
