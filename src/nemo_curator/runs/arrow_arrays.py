"""NumPy arrays as Arrow ones, without a copy: `pa.array` would import pandas where that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.int64] | npt.NDArray[np.float64]


def array_of(values: Numbers) -> pa.Array[Any]:
    """`(N,)` int64 or float64 as an Arrow array; NaN stays NaN."""
    data: Any = np.ascontiguousarray(values)
    kind = pa.float64() if data.dtype == np.float64 else pa.int64()
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])


def table_of(columns: Mapping[str, Numbers]) -> pa.Table:
    """Columns of one length as an Arrow table."""
    return pa.Table.from_arrays([array_of(values) for values in columns.values()], names=list(columns))
