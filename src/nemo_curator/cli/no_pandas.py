"""Commands use no pandas, and need not wait until Arrow has imported it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa


class _WithoutPandas(MetaPathFinder):
    """Finds everything as before, but for pandas, which it says is not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:  # noqa: ARG002 (as Python asks)
        if fullname == "pandas":
            raise ModuleNotFoundError("this process looks for no pandas", name=fullname)


def leave_pandas_out() -> None:
    """Let Arrow look for pandas now, and find none.

    With the first array that it makes, Arrow imports pandas where that is installed, to recognise its columns: 0.15 s,
    0.1 s more at the end of the process, and 60 MB. It looks once. Whatever asks it for a DataFrame later
    gets one all the same. This is for the process of a command, in which no stage of a user's runs.
    """
    if "pandas" in sys.modules:
        return
    finder = _WithoutPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(finder)
