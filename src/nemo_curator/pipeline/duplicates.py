"""Duplicates of a decided run, for people and for other programs: groups, and all pairs that were found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo_curator import storage
from nemo_curator.errors import InputError, OutputExistsError
from nemo_curator.pipeline.pairs import FOUND_BY
from nemo_curator.pipeline.scored import scored_partitions
from nemo_curator.runs.arrow_arrays import array_of
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.pair_file import PairFile
from nemo_curator.runs.pairing.store import current_pairs
from nemo_curator.runs.parts import read_part
from nemo_curator.runs.state import RunState
from nemo_curator.shards.parquet import read_footer

_COLUMNS: dict[str, pa.DataType] = {
    "left": pa.string(),
    "right": pa.string(),
    "kind": pa.string(),
    "distance": pa.float64(),
}
PAIRS_SCHEMA = pa.schema(_COLUMNS)
"""Both ids, the kind of pairs (`copies`, `turned`, `similar`), and how far apart they are."""


def check_pairs_place(url: str, *, replace: bool) -> None:
    """Make sure that pairs may be written to a place; nothing is written.

    Args:
        url: The file.
        replace: Whether earlier pairs may be replaced; nothing else ever is.

    Raises:
        OutputExistsError: There is something.
    """
    if not storage.exists(url):
        return
    if replace and _is_ours(url):
        return
    what = "this holds no pairs of ours, and is not replaced" if replace else "this exists already"
    act = "name another file" if replace else "name another file, or pass --replace"
    raise OutputExistsError(what, where=url, act=act)


def _is_ours(url: str) -> bool:
    try:
        return read_footer(url).schema.to_arrow_schema().equals(PAIRS_SCHEMA)
    except (OSError, pa.ArrowException):
        return False


def write_pairs(run: RunDirectory, url: str) -> int:
    """Write all pairs that were found for a run, each with both ids.

    Images whose hash or embedding is equal to the last bit are paired with the first of them alone.

    Args:
        run: The run.
        url: A Parquet file, which is replaced: see `check_pairs_place`.

    Returns:
        The number of pairs.

    Raises:
        InputError: The run has no pairs, or those of other images or scores than it has now.
        IncompleteRunError: Partitions are not scored yet.
        StorageError: The file cannot be written.
    """
    state = RunState.require(run)
    ids = scored_partitions(run, state)
    columns = {kind: {name: state.fingerprints.get(name, "") for name in names} for kind, names in FOUND_BY.items()}
    files = current_pairs(run, ids, columns)
    if not files:
        raise InputError(
            "no pairs of near images were looked for in this run as it is now",
            where=run.root,
            act="decide it with `--copies 31` or `--similar 0.05`",
        )
    names = _image_ids(run, ids)
    written = 0
    with (
        storage.write_atomic(url) as file,
        pq.ParquetWriter(file, PAIRS_SCHEMA, compression="zstd", write_page_checksum=True) as writer,
    ):
        for kind in sorted(files):
            for table in _named(files[kind], kind, names):
                writer.write_table(table)
                written += table.num_rows
    return written


def _image_ids(run: RunDirectory, partition_ids: list[str]) -> pa.Array[Any]:
    columns = [read_part(run, one, ["image_id"])["image_id"].cast(pa.large_string()) for one in partition_ids]
    found: Any = pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.large_string())
    return pa.concat_arrays(found.chunks) if found.num_chunks else pa.nulls(0, pa.large_string())


def _named(file: PairFile, kind: str, names: pa.Array[Any]) -> Iterator[pa.Table]:
    for left, right, distance, _ in file.batches():
        ends = [names.take(array_of(one)).cast(pa.string()) for one in (left, right)]
        kinds = pa.repeat(pa.scalar(kind), len(left))
        yield pa.Table.from_arrays([*ends, kinds, array_of(distance)], schema=PAIRS_SCHEMA)
