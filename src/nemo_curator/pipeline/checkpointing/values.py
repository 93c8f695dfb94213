"""Values as a JSON document and a list of binary buffers, and back: the codec of checkpoints.

Whatever comes back is equal to what was given, of the same class, or it is refused. Nothing is pickled: a document
names one of the classes below, and no other is ever made.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from nemo_curator.kernels.header import ImageHeader
from nemo_curator.kernels.source import Member, Source
from nemo_curator.kernels.view import View
from nemo_curator.pipeline.checkpointing.frames import Columns, check_frame, columns_of, frame_of, is_frame
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError, at, kind_of
from nemo_curator.tasks import (
    DocumentBatch,
    EmptyTask,
    FileGroupTask,
    ImageBatch,
    ImageObject,
    Record,
    StagePerfStats,
)

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(DocumentBatch, EmptyTask, FileGroupTask, ImageBatch),
        *(ImageObject, Record, StagePerfStats),
        *(ImageHeader, Member, Source, View),
    )
}
"""Classes whose objects are kept field by field; a subclass is another class."""

_TAG = "$"  # the key that marks an object of the document which stands for something that JSON does not know
_LONGEST_INT = 1 << 4096  # Python itself refuses to write or read much longer ones


class Packer:
    """Turns values into a document, gathering their bytes.

    Attributes:
        buffers: What the document refers to by number; one object is kept once.
    """

    def __init__(self) -> None:
        self.buffers: list[bytes] = []
        self._numbers: dict[int, int] = {}
        self._ways: dict[type[Any], Callable[[Any], Any]] = {
            float: self._float,
            bytes: lambda value: {_TAG: "bytes", "at": self._buffer(value)},
            list: self._items,
            tuple: lambda value: {_TAG: "tuple", "items": self._items(value)},
            set: lambda value: {_TAG: "set", "items": self._sorted(value)},
            frozenset: lambda value: {_TAG: "frozenset", "items": self._sorted(value)},
            dict: self._dict,
            np.ndarray: lambda value: {_TAG: "array", "at": self._array(value)},
            pa.Table: lambda value: {_TAG: "table", "at": self._buffer(_stream_of(value))},
        }

    def plain(self, value: Any) -> Any:
        """The value as plain data that JSON knows.

        Raises:
            OpaqueError: It, or something in it, is of a kind that is not kept.
        """
        kind = type(value)
        if value is None or kind is bool or kind is str or (kind is int and abs(value) < _LONGEST_INT):
            return value
        way = self._ways.get(kind)
        if way is not None:
            return way(value)
        if KINDS.get(kind.__name__) is kind:
            return self._object(value)
        if isinstance(value, np.generic):
            return {_TAG: "scalar", "at": self._array(np.asarray(value))}
        if is_frame(value):
            return self._frame(value)
        raise OpaqueError(kind_of(value))

    @staticmethod
    def _float(value: float) -> Any:
        return value if math.isfinite(value) else {_TAG: "float", "is": repr(value)}

    def _items(self, values: Sequence[Any]) -> list[Any]:
        items = []
        for index, value in enumerate(values):
            with at(f"[{index}]"):
                items.append(self.plain(value))
        return items

    def _sorted(self, values: Any) -> list[Any]:
        return sorted(self._items(list(values)), key=lambda item: json.dumps(item, sort_keys=True))

    def _dict(self, value: dict[Any, Any]) -> dict[str, Any]:
        if all(type(name) is str for name in value) and _TAG not in value:
            return self._named(value, "[{!r}]")
        pairs = []
        for name, item in value.items():
            with at(f"[{name!r:.60}]"):
                pairs.append([self.plain(name), self.plain(item)])
        return {_TAG: "dict", "items": pairs}

    def _named(self, values: dict[str, Any], step: str) -> dict[str, Any]:
        named = {}
        for name, item in values.items():
            with at(step.format(name)):
                named[name] = self.plain(item)
        return named

    def _object(self, value: Any) -> dict[str, Any]:
        declared = dataclasses.fields(value)
        fields = {one.name: getattr(value, one.name) for one in declared if not one.metadata.get("passing")}
        known = {one.name for one in declared}
        more = {name: item for name, item in getattr(value, "__dict__", {}).items() if name not in known}
        document = {_TAG: type(value).__name__, "fields": self._named(fields, ".{}")}
        return document | ({"more": self._named(more, ".{}")} if more else {})

    def _frame(self, frame: Any) -> dict[str, Any]:
        columns = columns_of(frame)
        typed = _stream_of(columns.typed)
        check_frame(frame, replace(columns, typed=_table_of(typed)))
        objects = {}
        for place, column in columns.objects.items():
            with at(f"[{columns.labels[place]!r:.60}]"):
                objects[str(place)] = self.plain(column)
        document = {_TAG: "frame", "at": self._buffer(typed), "objects": objects}
        return document | {"labels": self.plain(columns.labels), "name": self.plain(columns.name)}

    def _array(self, array: np.ndarray[Any, Any]) -> int:
        described = np.lib.format.dtype_to_descr(array.dtype)
        if array.dtype.hasobject or np.lib.format.descr_to_dtype(described) != array.dtype:
            raise OpaqueError(f"numpy array of {array.dtype}")
        file = io.BytesIO()
        with warnings.catch_warnings():  # of formats that older NumPy cannot read
            warnings.simplefilter("ignore", UserWarning)
            np.lib.format.write_array(file, array, allow_pickle=False)
        return self._buffer(file.getvalue())

    def _buffer(self, data: bytes) -> int:
        number = self._numbers.setdefault(id(data), len(self.buffers))  # ids stay true: `buffers` holds the objects
        if number == len(self.buffers):
            self.buffers.append(data)
        return number


class Unpacker:
    """Turns documents back into values; malformed ones raise whatever they provoke.

    Args:
        buffer: Gives a buffer by number.
    """

    def __init__(self, buffer: Callable[[int], bytes]) -> None:
        self._buffer = buffer
        self._ways: dict[str, Callable[[dict[str, Any]], Any]] = {
            "float": lambda document: float(document["is"]),
            "bytes": lambda document: buffer(document["at"]),
            "tuple": lambda document: tuple(self._items(document)),
            "set": lambda document: set(self._items(document)),
            "frozenset": lambda document: frozenset(self._items(document)),
            "dict": lambda document: {self.value(name): self.value(item) for name, item in document["items"]},
            "array": self._array,
            "scalar": lambda document: self._array(document)[()],
            "table": self._table,
            "frame": self._frame,
        }

    def value(self, document: Any) -> Any:
        """The value that a document stands for."""
        if isinstance(document, list):
            return [self.value(item) for item in document]
        if not isinstance(document, dict):
            return document
        tag = document.get(_TAG)
        if tag is None:
            return {name: self.value(item) for name, item in document.items()}
        way = self._ways.get(tag)
        return way(document) if way is not None else self._object(KINDS[tag], document)

    def _items(self, document: dict[str, Any]) -> list[Any]:
        return [self.value(item) for item in document["items"]]

    def _object(self, kind: type[Any], document: dict[str, Any]) -> Any:
        made = kind(**{name: self.value(item) for name, item in document["fields"].items()})
        for name, item in document.get("more", {}).items():
            object.__setattr__(made, name, self.value(item))
        return made

    def _array(self, document: dict[str, Any]) -> np.ndarray[Any, Any]:
        return np.lib.format.read_array(io.BytesIO(self._buffer(document["at"])), allow_pickle=False)

    def _table(self, document: dict[str, Any]) -> pa.Table:
        return _table_of(self._buffer(document["at"]))

    def _frame(self, document: dict[str, Any]) -> Any:
        objects = {int(place): self.value(column) for place, column in document["objects"].items()}
        labels, name = self.value(document["labels"]), self.value(document["name"])
        return frame_of(Columns(self._table(document), objects, labels, name))


def _stream_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
        if not len(table):  # or the categories of a column without rows would be forgotten
            arrays: list[Any] = [
                column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in table.columns
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=table.schema))
    return sink.getvalue().to_pybytes()


def _table_of(stream: bytes) -> pa.Table:
    with pa.ipc.open_stream(stream) as reader:
        return reader.read_all()
