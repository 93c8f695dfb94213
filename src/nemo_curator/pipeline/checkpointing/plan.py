"""What the results of a pipeline depend on, and what changed in it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import platform
import types
from collections.abc import Mapping, Sequence
from typing import Any, cast

from nemo_curator import __version__
from nemo_curator.codecs.semantics import decode_facts
from nemo_curator.errors import StageError
from nemo_curator.pipeline.checkpointing.description import described, described_code
from nemo_curator.pipeline.checkpointing.opaque import OpaqueError
from nemo_curator.runs.fingerprints import changes
from nemo_curator.stages.base import ProcessingStage

Stage = ProcessingStage[Any, Any]

_OURS = "nemo_curator"
# Where and beside how many others a stage runs changes no result; name and batch size are told by themselves.
_ASIDE = {"_name", "_batch_size", "_resources", "_num_workers", "_runtime_env", "_metrics", "__doc__"}
_OWN_VERBS = {"__init__", "__post_init__", "__call__"}
_MOST_SAID = 3


def plan_of(stages: Sequence[Stage]) -> dict[str, Any]:
    """Everything that the results of stages depend on besides the input, as plain data.

    Args:
        stages: Stages without composites, before their `setup`.

    Raises:
        StageError: A stage holds something that cannot be compared with what it holds next time.
    """
    major_minor = ".".join(platform.python_version_tuple()[:2])
    facts = {
        "stages": [_stage_facts(stage) for stage in stages],
        "versions": {"imagecurator": __version__, "python": major_minor, "decode": decode_facts()},
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts))  # as it is once it was stored
    return plain


def plan_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What differs between two plans, as a clause; "" where nothing does."""
    told = changes(old.get("versions") or {}, new["versions"])
    before, after = old.get("stages") or [], new["stages"]
    names = [[f"{one.get('name')} ({one.get('class')})" for one in stages] for stages in (before, after)]
    if names[0] != names[1]:
        told.append(f"its stages were {', '.join(names[0]) or 'none'} and are {', '.join(names[1]) or 'none'}")
    else:
        told += [
            f"stage {one['name']!r}, {change}"
            for one, other in zip(after, before, strict=True)
            for change in changes(other, one)
        ]
    more = f"; and {len(told) - _MOST_SAID} more" if len(told) > _MOST_SAID else ""
    return "; ".join(told[:_MOST_SAID]) + more


def _stage_facts(stage: Stage) -> dict[str, Any]:
    kind = type(stage)
    try:
        facts = {
            "class": f"{kind.__module__}.{kind.__qualname__}",
            "name": stage.name,
            "batch_size": stage.batch_size,
            "parameters": described(_parameters(stage)),
            "provenance": described(dict(stage.provenance())),
        }
    except OpaqueError as error:
        raise StageError(
            f"a checkpoint cannot tell whether stage {stage.name!r} stays the same: it holds a {error.kind}",
            where=f"{kind.__qualname__}{error.path}",
            act="make that in setup(), or run without checkpoint_path",
        ) from error
    return facts | {"code": _code_of(kind)}


def _parameters(stage: Stage) -> dict[str, Any]:
    """What a stage was made with: the fields of a dataclass, the attributes of any other object."""
    if "__dataclass_fields__" in vars(type(stage)):  # its own, not those of a base that an `__init__` adds to
        names = [field.name for field in dataclasses.fields(cast("Any", stage)) if field.init]
        given = {name: getattr(stage, name) for name in names}
    else:
        given = dict(vars(stage))
    return {name: value for name, value in given.items() if name not in _ASIDE}


def _code_of(kind: type[Any]) -> dict[str, Any]:
    """What the classes of a stage from elsewhere do; ours have a version."""
    code: dict[str, Any] = {}
    for base in kind.__mro__:
        if base is object or base.__module__.split(".")[0] in {_OURS, "abc", "typing"}:
            continue
        for name, member in vars(base).items():
            own = not (name.startswith("__") or name == "_abc_impl") or name in _OWN_VERBS
            if own and (what := _member(member)) is not None:
                code.setdefault(name, what)
    return code


def _member(member: Any) -> Any:
    """What an attribute of a class says: the code of a function, or a plain value."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, staticmethod | classmethod):
        member = member.__func__
    function = inspect.unwrap(member) if callable(member) else member
    if isinstance(function, types.FunctionType):
        made = function.__name__ == "__init__" and function.__code__.co_filename == "<string>"
        return None if made else described_code(function)  # what `dataclass` made is said by the fields
    return member if isinstance(member, bool | int | float | str | None) else None
