"""One image's row in a Parquet of ours, found without reading the rest."""

from __future__ import annotations

from typing import Any

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
    try:
        wanted = image_id.encode()
    except UnicodeEncodeError:  # an id is text that a Parquet can hold; this is half of one
        return None
    with open_parquet(url) as parquet:
        for group in range(parquet.num_row_groups):
            if not _may_hold(parquet.metadata.row_group(group), wanted):
                continue
            ids = parquet.read_row_group(group, columns=[ID])[ID]
            at = pc.index(ids, image_id).as_py()
            if at >= 0:
                return dict(parquet.read_row_group(group).slice(at, 1).to_pylist()[0])
    return None


def _may_hold(group: pq.RowGroupMetaData, wanted: bytes) -> bool:
    columns = (group.column(index) for index in range(group.num_columns))
    statistics = next((one.statistics for one in columns if one.path_in_schema == ID), None)
    if statistics is None or not statistics.has_min_max:
        return True
    # bytewise, as Parquet orders text; the stored bounds may be cut, but never so that they leave something out
    return str(statistics.min).encode() <= wanted <= str(statistics.max).encode()
