"""Values of a Parquet as text and as JSON: other people's files hold what neither knows."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from nemo_curator.shards.names import to_text

_TEXT = (pa.StringScalar, pa.LargeStringScalar, pa.StringViewScalar)


def text_of(value: Any) -> str:
    """A value of text, as `to_text` makes it of any bytes; "" where there is none.

    Args:
        value: A scalar of Arrow; its text need not be UTF-8.
    """
    data = value.as_buffer() if value.is_valid and isinstance(value, _TEXT) else None
    return "" if data is None else to_text(data.to_pybytes().decode("utf-8", "surrogateescape"))


def json_of(values: Mapping[str, Any]) -> bytes:
    """Values as one JSON object, in their order; nothing where there are none.

    Bytes become Base64, numbers that JSON does not know null, and what it has no type for (times, decimals) its text.

    Args:
        values: Name to a scalar of Arrow.

    Raises:
        ValueError: A value is no text though its type says so, or out of range for what it is.
    """
    if not values:
        return b""
    try:
        found = {to_text(name): _plain(_native(value)) for name, value in values.items()}
        return json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (pa.ArrowException, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _native(value: Any) -> Any:
    """A value as Python has it; a time as text, because what Python makes of it depends on what is installed."""
    kind = value.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
        return value.cast(pa.string()).as_py()
    return value.as_py()


def _plain(value: Any) -> Any:
    """What JSON can say of a value."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)
