"""What the results of a stage depend on, as plain data: equal facts, equal scores."""

from __future__ import annotations

import hashlib
import os
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from nemo_curator.codecs.options import DEFAULT_OPTIONS, DecodeOptions
from nemo_curator.codecs.semantics import decode_facts
from nemo_curator.stages.base import ProcessingStage

# Parameters that change no score: thresholds and logging have no say in a run; where the weights of our stages lie and
# what runs them is no fact about them, as `provenance` says which they are and how they are computed. A stage from
# elsewhere may have only the place to tell.
_IDLE = {"score_threshold", "verbose", "num_gpus_per_worker"}
_PLACES = {"model_dir", "weights_path", "runtime", "precision"}
_OURS = "nemo_curator."


def stage_facts(stage: ProcessingStage[Any, Any], options: DecodeOptions = DEFAULT_OPTIONS) -> dict[str, Any]:
    """Everything that a stage's scores depend on.

    The class and its parameters; for a stage that looks at pixels how they are decoded; what the stage itself says in
    `provenance` (its version, weights, libraries); and of a stage from elsewhere the text of its module
    and of those that it inherits from, because nobody raises a version number while trying things out.

    Args:
        stage: A score stage, before its `setup`.
        options: How pixels are made for it.
    """
    kind = type(stage)
    needs = stage.needs()
    facts: dict[str, Any] = {"stage": f"{kind.__module__}:{kind.__qualname__}", "parameters": _parameters(stage)}
    facts |= plain(stage.provenance())
    if needs is None or needs.pixels or needs.views:
        facts["decode"] = decode_facts(options)
    if not kind.__module__.startswith(_OURS):
        facts["code"] = _code_of(kind)
    return facts


def versions(*distributions: str) -> dict[str, str]:
    """Distribution to installed version; those that are not installed are left out."""
    found = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def unicode_version() -> dict[str, str]:
    """The version of Unicode that Python's character tables have, as `versions` gives those of packages."""
    return {"unicode": unicodedata.unidata_version}


def plain(value: Any) -> Any:  # noqa: PLR0911 (one return a kind of value)
    """A value as JSON knows it, the same in every process; what JSON cannot say, by its class and fields."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(one) for one in value), key=repr)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return _named(value)


def _named(value: Any) -> Any:
    """What JSON has no form for, as text or numbers where it has such, else by the name of what it is."""
    if isinstance(value, os.PathLike | date):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    return f"{type(value).__module__}:{type(value).__qualname__}"  # never repr: addresses differ from run to run


def _parameters(stage: ProcessingStage[Any, Any]) -> dict[str, Any]:
    given: Mapping[str, Any] = stage.get_config().get("parameters") or {}
    idle = _IDLE | _PLACES if type(stage).__module__.startswith(_OURS) else _IDLE
    return {name: plain(value) for name, value in given.items() if name not in idle}


def _code_of(kind: type) -> str:
    """SHA-256 of the source of all modules that a class gets its methods from, but for ours and Python's own."""
    modules = dict.fromkeys(
        base.__module__
        for base in kind.__mro__
        if not base.__module__.startswith(_OURS) and base.__module__.partition(".")[0] not in sys.stdlib_module_names
    )
    found = [code for code in map(_code, modules) if code]
    return found[0] if len(found) == 1 else hashlib.sha256("".join(found).encode()).hexdigest() if found else ""


@cache
def _code(module: str) -> str:
    """SHA-256 of a module's source; "" where it has no file (a notebook)."""
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
    except OSError:
        return ""
