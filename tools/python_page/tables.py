"""Tables of the stages, of `Run` and of `Pipeline`: what they are called, what they take, and what they do."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nemo_curator.stages
from nemo_curator.pipeline import Pipeline
from nemo_curator.runs import Run
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.image.filters.base import BaseFilterStage

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"

BASES = """ProcessingStage PartitionStage CompositeStage FunctionStage BaseFilterStage RegisteredModelFilterStage
ImageModelFilterStage DetectorFilterStage TextTowerFilterStage""".split()
"""Stages that do nothing by themselves: others derive from them."""

INNER = {"NumericsTrialStage"}
"""Stages that a run makes for itself, and nobody else."""

_LONGEST = 60  # characters of a default; the languages are 500
_EVERY = frozenset(field.name for field in dataclasses.fields(BaseFilterStage))


def stages() -> dict[str, type[ProcessingStage[Any, Any]]]:
    """Name to class of every public stage."""
    found: dict[str, type[ProcessingStage[Any, Any]]] = {}
    for module in pkgutil.walk_packages(nemo_curator.stages.__path__, "nemo_curator.stages."):
        for name, kind in vars(importlib.import_module(module.name)).items():
            ours = inspect.isclass(kind) and issubclass(kind, ProcessingStage) and kind.__module__ == module.name
            if ours and not name.startswith("_") and name not in INNER:
                found[name] = kind
    return dict(sorted(found.items()))


def tables() -> dict[str, str]:
    """Marker to table."""
    found = stages()
    filters = {name for name, kind in found.items() if issubclass(kind, BaseFilterStage)} - set(BASES)
    others = found.keys() - filters - set(BASES)
    return {
        "stages": _stages(found[name] for name in sorted(others)),
        "filters": _stages(found[name] for name in sorted(filters)),
        "bases": _stages(found[name] for name in BASES),
        "run": _members(Run),
        "pipeline": _members(Pipeline),
    }


def renewed(text: str) -> str:
    """The page with each table between its markers made anew.

    Raises:
        ValueError: A table has not exactly one place.
    """
    for name, table in tables().items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(f"the page has {len(pattern.findall(text))} places for the table {name!r}")
        text = pattern.sub(lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text)  # type: ignore[misc]
    return text


def _stages(kinds: Iterable[type[ProcessingStage[Any, Any]]]) -> str:
    rows = ["| class | in | does | parameters |", "|---|---|---|---|"]
    for kind in kinds:
        room = kind.__module__.removeprefix("nemo_curator.stages.")
        rows.append(f"| `{kind.__name__}` | `{room}` | {_first_line(kind)} | {_parameters(kind)} |")
    return "\n".join(rows)


def _parameters(kind: type[ProcessingStage[Any, Any]]) -> str:
    if not dataclasses.is_dataclass(kind) or inspect.isabstract(kind):
        return ""
    base = {field.name: field.default for field in dataclasses.fields(BaseFilterStage)}
    shown = []
    for field in dataclasses.fields(kind):
        inherited = kind is not BaseFilterStage and field.name in _EVERY and field.default == base[field.name]
        if field.init and field.name != "_name" and not (inherited and issubclass(kind, BaseFilterStage)):
            shown.append(f"`{field.name}{_default(field)}`")
    return ", ".join(shown)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return f"={made!r}" if isinstance(made, (list, dict, tuple, set)) else f"={type(made).__name__}()"
    if field.default is dataclasses.MISSING:
        return ""
    if field.default is None or isinstance(field.default, (bool, int, float, str, tuple)):
        value = repr(field.default)
        return f"={value}" if len(value) < _LONGEST else "=(…)"
    return f"={type(field.default).__name__}()"


def _members(kind: type) -> str:
    rows = ["| name | does |", "|---|---|"]
    for name, member in vars(kind).items():
        if name.startswith("_") or not (isinstance(member, property) or callable(getattr(kind, name))):
            continue
        called = "" if isinstance(member, property) else _arguments(getattr(kind, name))
        rows.append(f"| `{name}{called}` | {_first_line(getattr(kind, name))} |")
    return "\n".join(rows)


def _arguments(function: Any) -> str:  # noqa: ANN401  any callable
    """Names and defaults of what a function takes, without types."""
    given = inspect.signature(function).parameters.values()
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in given if one.name != "self"]
    return str(inspect.Signature(bare))


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").split("\n", maxsplit=1)[0].replace("|", "\\|")
