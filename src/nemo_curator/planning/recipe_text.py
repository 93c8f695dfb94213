"""A recipe from its YAML text; what is wrong is said with the line and the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from nemo_curator.errors import RecipeError, nearest
from nemo_curator.planning.recipe import Recipe

Path = tuple[str | int, ...]


def parse_recipe(text: str, where: str = "recipe", overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        text: YAML.
        where: What to call it in errors; a file name.
        overrides: Dotted key to YAML value, as given on the command line (`export.shard_size` → `500`).

    Raises:
        RecipeError: It is no YAML, a key is unknown, or a value is not valid; the error names the line.
    """
    data, lines = _load(text, where)
    for key, value in (overrides or {}).items():
        _override(data, key, value)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise _explain(error, lines, where) from None


def _load(text: str, where: str) -> tuple[dict[str, Any], dict[Path, int]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Path, int] = {}
        data = {} if node is None else _value(node, (), lines, where)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{where}, line {mark.line + 1}" if mark else where
        raise RecipeError(f"this is not valid YAML: {error.problem or error.context}", where=place) from None
    except yaml.YAMLError as error:
        raise RecipeError(f"this is not valid YAML: {error}", where=where) from None
    if not isinstance(data, dict):
        raise RecipeError("a recipe is a mapping of keys to values", where=where, act="see `imagecurator init`")
    return data, lines


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], where: str) -> Any:
    """The plain value of a YAML node; `lines` gets the line of every key and item."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines, where) for index, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return yaml.SafeLoader("").construct_object(node)
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in result:
            raise RecipeError(
                f"the key {key!r} stands here a second time", where=f"{where}, line {line}", act="keep one"
            )
        lines[(*path, key)] = line
        result[key] = _value(value_node, (*path, key), lines, where)
    return result


def _override(data: dict[str, Any], key: str, value: str) -> None:
    *parents, last = key.split(".")
    section = data
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise RecipeError(f"--set {key}: {parent!r} is no section of the recipe")
    try:
        section[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        section[last] = value


def _explain(error: ValidationError, lines: dict[Path, int], where: str) -> RecipeError:
    """The first thing wrong, as one sentence."""
    first = error.errors()[0]
    # a union adds the names of its alternatives to the location; only real keys have a line
    path: Path = ()
    for part in first["loc"]:
        path = (*path, part) if (*path, part) in lines else path
    key = ".".join(map(str, path)) or "recipe"
    place = f"{where}, line {lines[path]}" if path in lines and lines else where
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return RecipeError(f"unknown key {name!r}", where=place, act=nearest(name, _keys_at(first["loc"][:-1])))
    message = str(first["msg"]).removeprefix("Value error, ")
    return RecipeError(
        f"{key}: {message}", where=place, act="`imagecurator init` writes a recipe with every key explained"
    )


def _keys_at(path: Path) -> list[str]:
    """Names of the keys that the section at a path has."""
    model: type[BaseModel] = Recipe
    for part in path:
        kind = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        candidates = [kind, *get_args(kind)]
        found = [one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)]
        if not found:
            return []
        model = found[0]
    return list(model.model_fields)
