"""Some images' rows in a Parquet of ours, found without reading the rest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nemo_curator.shards.parquet import open_parquet

ID = "image_id"


def find_row(url: str, image_id: str) -> dict[str, Any] | None:
    """The row of an image; None where the file has none.

    Row groups whose statistics leave the id out are not read.

    Args:
        url: Path or URL of a Parquet with a column `image_id`.
        image_id: The image.

    Raises:
        OSError: There is no such file.
        pyarrow.ArrowInvalid: It is torn or damaged.
    """
    return find_rows(url, [image_id]).get(image_id)


def find_rows(
    url: str, image_ids: Collection[str], columns: Collection[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Id to row of those images that the file has; of two rows of one id the first.

    Row groups whose statistics leave the ids out are not read.

    Args:
        url: Path or URL of a Parquet with a column `image_id`.
        image_ids: The images.
        columns: Names of the columns to bring beside the id, of those that there are; all by default.

    Raises:
        OSError: There is no such file.
        pyarrow.ArrowInvalid: It is torn or damaged.
    """
    wanted = sorted(filter(_is_text, set(image_ids)))
    found: dict[str, dict[str, Any]] = {}
    with open_parquet(url) as parquet:
        brought = None if columns is None else [one for one in parquet.schema_arrow.names if one in {ID, *columns}]
        for group in range(parquet.num_row_groups):
            metadata = parquet.metadata.row_group(group)
            missing = [one for one in wanted if one not in found and _may_hold(metadata, one.encode())]
            if not missing:
                continue
            hits = pc.is_in(parquet.read_row_group(group, columns=[ID])[ID], value_set=pa.array(missing, pa.string()))
            if pc.any(hits).as_py():
                rows = parquet.read_row_group(group, columns=brought).filter(hits).to_pylist()
                found = {row[ID]: row for row in reversed(rows)} | found
    return found


def _is_text(image_id: str) -> bool:
    """Whether it is text that a Parquet can hold, and not half of one."""
    try:
        image_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def _may_hold(group: pq.RowGroupMetaData, wanted: bytes) -> bool:
    columns = (group.column(index) for index in range(group.num_columns))
    statistics = next((one.statistics for one in columns if one.path_in_schema == ID), None)
    if statistics is None or not statistics.has_min_max:
        return True
    # bytewise, as Parquet orders text; the stored bounds may be cut, but never so that they leave something out
    return str(statistics.min).encode() <= wanted <= str(statistics.max).encode()
