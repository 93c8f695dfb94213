"""A table of rows about images or documents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from nemo_curator._optional import require
from nemo_curator.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

    Table = pa.Table | pd.DataFrame


@dataclass
class DocumentBatch(Task["Table"]):
    """Rows as an Arrow table or a pandas frame.

    Attributes:
        data: The table; an empty Arrow table by default.
    """

    data: Table = field(default_factory=lambda: pa.table({}))

    def to_pyarrow(self) -> pa.Table:
        """The rows as an Arrow table.

        Raises:
            TypeError: The payload is neither an Arrow table nor a pandas frame.
        """
        if isinstance(self.data, pa.Table):
            return self.data
        if _is_frame(self.data):
            return pa.Table.from_pandas(cast("Any", self.data), preserve_index=False)
        raise TypeError(f"DocumentBatch.data must be a pyarrow.Table or a pandas.DataFrame, not {type(self.data)}")

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame.

        Raises:
            MissingExtraError: pandas is not installed.
            TypeError: The payload is neither an Arrow table nor a pandas frame.
        """
        if _is_frame(self.data):
            return cast("pd.DataFrame", self.data)
        require("pandas", extra="pandas", purpose="DocumentBatch.to_pandas")
        return self.to_pyarrow().to_pandas()

    def get_columns(self) -> list[str]:
        """Names of the columns, in order."""
        if isinstance(self.data, pa.Table):
            return list(self.data.column_names)
        return [str(name) for name in cast("Any", self.data).columns]

    @property
    def num_items(self) -> int:
        """Number of rows."""
        return len(self.data)

    def validate(self) -> bool:
        """Whether the payload is a table."""
        return isinstance(self.data, pa.Table) or _is_frame(self.data)


def _is_frame(data: object) -> bool:
    """Whether `data` is a pandas frame, without importing pandas to ask."""
    return any(
        kind.__module__.split(".")[0] == "pandas" and kind.__name__ == "DataFrame" for kind in type(data).__mro__
    )
