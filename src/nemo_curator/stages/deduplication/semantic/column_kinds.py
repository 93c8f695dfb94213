"""Types of the columns that users give: how they are held, and which of them have an order."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc


def plain_kind(kind: pa.DataType) -> pa.DataType:
    """The type of the values themselves: a dictionary (a category) or a view is another way to store them."""
    if isinstance(kind, pa.DictionaryType):
        return plain_kind(kind.value_type)
    if kind == pa.string_view():
        return pa.string()
    return pa.binary() if kind == pa.binary_view() else kind


def plain(table: pa.Table) -> pa.Table:
    """A table whose columns are of plain types, so that those of all files go together."""
    schema = table.schema
    for at, field in enumerate(schema):
        schema = schema.set(at, field.with_type(plain_kind(field.type)))
    return table.cast(schema)


def has_order(kind: pa.DataType) -> bool:
    """Whether rows can be told apart and sorted by a plain type: text, bytes, numbers, times; no lists."""
    if pa.types.is_nested(kind):
        return False
    if pa.types.is_float16(kind):
        return True  # it is sorted as single precision
    two = pa.table({"values": pa.array([None, None], kind), "others": pa.array([0, 1])})
    try:
        pc.sort_indices(two, sort_keys=[("values", "ascending"), ("others", "ascending")])
    except (pa.ArrowException, TypeError):
        return False
    return True
