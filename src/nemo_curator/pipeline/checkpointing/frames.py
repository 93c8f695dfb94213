"""pandas frames as an Arrow table and lists of objects, and back, without importing pandas before there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator._optional import require
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError


def is_frame(value: object) -> bool:
    """Whether it is a pandas frame, and of no subclass."""
    kind = type(value)
    return kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "DataFrame"


@dataclass(frozen=True, slots=True)
class Columns:
    """A frame taken apart.

    Attributes:
        typed: Its index and columns that have a type, under their place.
        objects: Columns of Python objects, by their place.
        labels: The columns' labels.
        name: The labels' own name.
    """

    typed: pa.Table
    objects: dict[int, list[Any]]
    labels: list[Any]
    name: Any


def columns_of(frame: Any) -> Columns:
    """A frame taken apart; `check_frame` tells whether nothing was lost.

    Raises:
        OpaqueError: It has a column or an index that Arrow does not know.
    """
    places = range(frame.shape[1])
    objects = {place: frame.iloc[:, place].tolist() for place in places if _holds_objects(frame.dtypes.iloc[place])}
    try:
        typed = pa.Table.from_pandas(_typed(frame))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise OpaqueError(f"pandas frame that Arrow cannot hold ({error})") from error
    return Columns(typed, objects, frame.columns.tolist(), frame.columns.name)


def check_frame(frame: Any, columns: Columns) -> None:
    """Make sure that a frame comes back as it was.

    Args:
        frame: The frame.
        columns: What was made of it, after its way through storage.

    Raises:
        OpaqueError: Types, index or labels would not be the same.
    """
    back = frame_of(columns)
    same = back.dtypes.equals(frame.dtypes) and back.columns.equals(frame.columns)
    same = same and back.columns.names == frame.columns.names
    same = same and back.index.equals(frame.index) and back.index.names == frame.index.names
    if not (same and _typed(back).equals(_typed(frame))):
        raise OpaqueError("pandas frame whose types or labels Arrow does not give back")


def frame_of(columns: Columns) -> Any:
    """The frame put together again."""
    pandas = require("pandas", extra="pandas", purpose="a checkpoint of pandas frames")
    frame = columns.typed.to_pandas()
    for place in sorted(columns.objects):
        series = pandas.Series(columns.objects[place], index=frame.index, dtype=object)
        frame.insert(place, str(place), series)
    frame.columns = pandas.Index(columns.labels, name=columns.name, dtype=None if columns.labels else object)
    return frame


def _typed(frame: Any) -> Any:
    """The columns that are not of Python objects, under their place: labels may repeat."""
    kept = [place for place, dtype in enumerate(frame.dtypes) if not _holds_objects(dtype)]
    typed = frame.iloc[:, kept].copy(deep=False)
    typed.columns = [str(place) for place in kept]
    return typed


def _holds_objects(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.hasobject
