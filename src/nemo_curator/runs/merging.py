"""Some columns of a part computed anew, put in place of the old ones: as if all had been computed at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from nemo_curator.runs.condemned import DIED
from nemo_curator.runs.embedding_reader import NOT_STORED
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.parts import ERROR
from nemo_curator.stages.image.io.rows import DECODED, IDENTITY

READER = "image_reader"
_SAME = ("image_id", "members", "ordinal")  # what makes two rows records of the same bytes

Error = tuple[str | None, str | None]
"""Code and stage of a row's error; None and None for a readable image."""


@dataclass(frozen=True, slots=True)
class Merging:
    """What a partial scoring computes, and where its stages stand among all.

    Attributes:
        columns: Columns that are computed anew; of `EMBEDDING`, if it is not among them, the stored ones are used.
        order: Names of all stages of the recipe, in the order in which they run.
        after: Column to the name of the stage that records it, for every column of the recipe.
        decodes: Whether the partial scoring decodes images.
    """

    columns: tuple[str, ...]
    order: tuple[str, ...]
    after: Mapping[str, str] = field(default_factory=dict)
    decodes: bool = True


def merge(old: pa.Table, new: pa.Table, schema: pa.Schema, merging: Merging) -> pa.Table | None:
    """The part with its new columns.

    A record whose new scores ended in an error becomes that error, and loses what a whole scoring would not have
    computed for it. None means that the two do not fit together, and that the partition must be scored as a whole:
    its source changed, or a record that could not be read before can be read now.

    Args:
        old: The part as it is.
        new: The same partition's rows, of which `merging.columns` and the error count.
        schema: Columns of the result; columns of `old` that it does not name stay behind them.
        merging: What was computed.
    """
    if not _same_records(old, new):
        return None
    rank = {READER: -1, **{stage: index for index, stage in enumerate(merging.order)}}
    verdicts = [_winner(*pair, rank, merging) for pair in zip(_errors(old), _errors(new), strict=True)]
    if any(verdict is None for verdict in verdicts):
        return None
    from_new = pa.array([verdict == "new" for verdict in verdicts], pa.bool_())
    # the records too: a whole scoring knows no more of an image than the reader that met the error
    winners = [*(name for name in IDENTITY if name not in _SAME), *ERROR]
    values = {name: pc.if_else(from_new, _column(new, name), _column(old, name)) for name in winners}
    if not merging.decodes:  # then only the old scoring knows what decoding found out, if it did
        values |= {name: _column(old, name) for name in DECODED}
    last = [len(rank) if one[0] is None else _place(one, rank) for one in _errors(pa.table(values))]
    # a type that was read back may call the items of its lists by another name than the one that is written anew
    fields = [*schema, *(one for one in old.schema if one.name not in schema.names)]
    for name in [one.name for one in fields if one.name not in values]:
        if name in merging.columns:
            found = _column(new, name)
        elif name in old.column_names:
            found = _column(old, name)
        else:
            found = pa.nulls(old.num_rows, schema.field(name).type)
        values[name] = _reached(found, last, rank.get(merging.after.get(name, ""), -1))
    return pa.table([values[one.name] for one in fields], schema=pa.schema(fields))


def _same_records(old: pa.Table, new: pa.Table) -> bool:
    return old.num_rows == new.num_rows and all(_column(old, name).equals(_column(new, name)) for name in _SAME)


def _errors(table: pa.Table) -> list[Error]:
    return list(zip(table["error"].to_pylist(), table["error_stage"].to_pylist(), strict=True))


def _winner(old: Error, new: Error, rank: Mapping[str, int], merging: Merging) -> str | None:
    """Whose error a whole scoring would have met: `old`, `new`; None where only a whole scoring can tell."""
    if old[0] is None:
        return None if new[0] == NOT_STORED else "new"
    if DIED in {old[0], new[0]}:  # a death does not say which stage it was
        return "new" if old[0] == new[0] else None
    if new[0] not in {None, NOT_STORED} and _place(new, rank) <= _place(old, rank):
        return "new"
    again = {stage for column, stage in merging.after.items() if column in merging.columns}
    met_again = old[1] in again or (old[1] == READER and merging.decodes)
    if new[0] == NOT_STORED:  # a whole scoring would have embedded it, and come this far with it before the old error
        embedder = rank.get(merging.after.get(EMBEDDING, ""), -1)
        met_again = met_again or any(embedder < rank.get(stage, -1) < _place(old, rank) for stage in again)
    return None if met_again else "old"


def _place(error: Error, rank: Mapping[str, int]) -> int:
    """Where among the stages an error stands; behind all of them that of a stage which the recipe does not have."""
    return rank.get(error[1] or "", len(rank))


def _column(table: pa.Table, name: str) -> pa.Array[Any]:
    return pa.concat_arrays(table[name].chunks) if table.num_rows else pa.nulls(0, table.schema.field(name).type)


def _reached(values: pa.Array[Any], last: Sequence[int], stage: int) -> pa.Array[Any]:
    """A column's values where its stage came before the one that gave up; the records themselves are always there."""
    if stage < 0:
        return values
    reached = pa.array([stage < one for one in last], pa.bool_())
    return cast("pa.Array[Any]", pc.if_else(reached, values, pa.nulls(len(values), values.type)))
