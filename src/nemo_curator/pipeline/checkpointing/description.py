"""What a value is, in plain data that is the same in every process for equal values, and another for others.

Checkpoints compare descriptions to tell whether a stage, or a task, is still the one that its results were made with.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import hashlib
import json
import logging
import math
import re
import types
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

import loguru
import numpy as np
import pyarrow as pa

from nemo_curator.pipeline.checkpointing.frames import is_frame
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError, at, kind_of
from nemo_curator.pipeline.checkpointing.values import Packer

_WRITTEN = (PurePath, Decimal, Fraction, UUID, complex, range, dt.date, dt.time, dt.timedelta, np.dtype)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a `class` statement, not in C
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)


def described(value: Any) -> Any:
    """The description of a value.

    Raises:
        OpaqueError: Nothing can be said of it, or of something in it, that holds in another process.
    """
    return _Describer().of(value)


def described_code(function: types.FunctionType) -> str:
    """Digest of what a function does: its instructions, constants and names, not its place, docstring or comments."""
    return digest(_code(function.__code__, function.__doc__))


def digest(plain: Any) -> str:
    """32 hex digits, equal for equal plain data."""
    text = json.dumps(plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _Describer:
    """Walks through a value; what it is in the middle of is not entered again."""

    def __init__(self) -> None:
        self._entered: set[int] = set()
        self._ways: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
            ((bytes, bytearray), lambda value: {"bytes": hashlib.sha256(value).hexdigest()}),
            (enum.Enum, lambda value: {"enum": f"{kind_of(value)}.{value.name}"}),
            ((list, tuple), self._items),
            (Mapping, self._mapping),
            ((set, frozenset), lambda value: {"set": sorted(self._items(list(value)), key=digest)}),
            ((np.ndarray, np.generic, pa.Table), _packed),
            (_WRITTEN, lambda value: {kind_of(value): str(value)}),
            (re.Pattern, lambda value: {"pattern": [repr(value.pattern), value.flags]}),
            (type, lambda value: {"name": f"{value.__module__}.{value.__qualname__}"}),
            (np.ufunc, lambda value: {"ufunc": value.__name__}),
            (logging.Logger, lambda value: {"logger": value.name}),
            (type(loguru.logger), lambda _: {"logger": "loguru"}),
            (types.ModuleType, lambda value: {"name": value.__name__}),
            (_FUNCTIONS, self._function),
        )

    def of(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if id(value) in self._entered:
            return {"within": kind_of(value)}
        self._entered.add(id(value))
        try:
            return self._entering(value)
        except RecursionError:
            raise OpaqueError(f"{kind_of(value)} nested too deep") from None
        finally:
            self._entered.discard(id(value))

    def _entering(self, value: Any) -> Any:
        for kinds, way in self._ways:
            if isinstance(value, kinds):
                return way(value)
        return self._state(value)

    def _state(self, value: Any) -> Any:
        if is_frame(value):
            return _packed(value)
        state = dict(getattr(value, "__dict__", {}))
        if dataclasses.is_dataclass(value):
            state |= {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        elif not _shows_all(value):
            raise OpaqueError(kind_of(value))
        return {"class": kind_of(value), "state": self._mapping(state, ".{}")}

    def _items(self, values: Any) -> list[Any]:
        items = []
        for index, value in enumerate(values):
            with at(f"[{index}]"):
                items.append(self.of(value))
        return items

    def _mapping(self, values: Mapping[Any, Any], step: str = "[{!r:.60}]") -> Any:
        pairs = []
        for name, value in values.items():
            with at(step.format(name)):
                pairs.append((name if type(name) is str else self.of(name), self.of(value)))
        if all(type(name) is str for name in values):
            return dict(pairs)
        return {"pairs": sorted(pairs, key=lambda pair: digest(pair[0]))}

    def _function(self, value: Any) -> Any:
        if isinstance(value, functools.partial):
            return {"partial": self._items([value.func, value.args, value.keywords])}
        if isinstance(value, types.MethodType):
            return {"method": self._items([value.__func__, value.__self__])}
        name = {"name": f"{value.__module__}.{value.__qualname__}"}
        if isinstance(value, types.BuiltinFunctionType):
            return name
        cells = [cell.cell_contents for cell in value.__closure__ or ()]
        with at(f" of {value.__qualname__}()"):
            bound = self._items([value.__defaults__, value.__kwdefaults__, cells])
        return name | {"code": described_code(value), "bound": digest(bound)}


def _shows_all(value: Any) -> bool:
    """Whether all that an object is stands in its `__dict__`: nothing in slots, nothing in C."""
    bases = type(value).__mro__[:-1]
    return hasattr(value, "__dict__") and all(
        base.__flags__ & _HEAP_TYPE and not vars(base).get("__slots__") for base in bases
    )


def _packed(value: Any) -> dict[str, str]:
    """Digest of an array or a table."""
    packer = Packer()
    plain = packer.plain(value)
    return {kind_of(value): digest([plain, [hashlib.sha256(one).hexdigest() for one in packer.buffers]])}


def _code(code: types.CodeType, doc: str | None = None) -> list[Any]:
    constants = list(code.co_consts)
    if doc is not None and constants and constants[0] == doc:
        del constants[0]
    return [code.co_code.hex(), [_constant(one) for one in constants], code.co_names, code.co_varnames]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _code(value)
    if isinstance(value, tuple):
        return [_constant(one) for one in value]
    if isinstance(value, frozenset):
        return sorted((_constant(one) for one in value), key=digest)
    return [type(value).__name__, repr(value)]
