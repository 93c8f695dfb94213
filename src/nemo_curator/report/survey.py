"""The parts of a run, by their ends alone: where each begins, and which columns there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.runs.deciding.schemas import Schemas
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import ERROR, column_marks
from nemo_curator.shards.parquet import read_footer
from nemo_curator.stages.image.io.rows import IDENTITY

_HEADER = ("width", "height", "bytes")  # columns of every run that rules like to compare


@dataclass(frozen=True, slots=True)
class Survey:
    """What the ends of the parts say.

    Attributes:
        starts: Position of the first input of each partition.
        names: All stored columns.
        numbers: Columns to look at as numbers: of the header, and scores, in the order of the parts.
        texts: The other scores.
        schemas: The columns of all parts.
        embeds: Whether any part has embeddings beside it.
    """

    starts: tuple[int, ...]
    names: tuple[str, ...]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    schemas: Schemas
    embeds: bool


def survey(run: RunDirectory, partition_ids: Sequence[str]) -> Survey:
    """Look at the ends of the parts.

    Args:
        run: The run; all its partitions are done.
        partition_ids: Its partitions, in source order.

    Raises:
        OSError: A part cannot be read.
    """
    starts, start = [], 0
    kinds: dict[str, pa.DataType] = {}
    schemas, embeds = Schemas(), False
    for metadata in storage.at_once(lambda one: read_footer(run.part(one)), partition_ids, run.root):
        embeds = embeds or EMBEDDING in column_marks(metadata.metadata)
        starts.append(start)
        start += metadata.num_rows
        schema = metadata.schema.to_arrow_schema()
        schemas.add(schema)
        for field in schema:
            if field.name not in kinds or pa.types.is_null(kinds[field.name]):
                kinds[field.name] = field.type
    scores = [name for name in kinds if name not in IDENTITY and name not in ERROR]
    numbers = [name for name in (*_HEADER, *scores) if name in kinds and _is_number(kinds[name])]
    texts = [name for name in scores if name not in numbers]
    return Survey(tuple(starts), tuple(kinds), tuple(numbers), tuple(texts), schemas, embeds)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
