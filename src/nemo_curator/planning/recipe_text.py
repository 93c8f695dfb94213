"""A recipe from its YAML text; what is wrong is said with the line and the nearest valid name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nemo_curator.errors import RecipeError, nearest
from nemo_curator.models import registry
from nemo_curator.planning.recipe import KeyPath, Recipe

_MAX_VALUES = 20_000
"""Values in a recipe at most: what repeats itself by aliases into millions is refused, not unfolded."""
_PLAIN = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_INSTEAD = {
    "export.shard_size": "export.shard_bytes",
    "export.shard_bytes": "export.shard_size",
    "sample.n": "sample.share",
    "sample.share": "sample.n",
}
"""Of two keys that exclude each other, the one that is set on the command line takes the place of the other."""
_WANTED = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "text",
    "bool_parsing": "`true` or `false`",
    "bool_type": "`true` or `false`",
    "dict_type": "a mapping of names to values",
}
_LONGEST = 60  # characters of a wrong value that a sentence shows
_INIT = "`imagecurator init` writes a recipe with every key explained"


def parse_recipe(
    text: str,
    where: str = "recipe",
    overrides: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Recipe:
    """Read a recipe.

    Args:
        text: YAML.
        where: What to call it in errors; a file name.
        overrides: Dotted key to YAML value, as given on the command line (`export.shard_size` → `500`).
        options: Dotted key to the option that says it, for those that have one of their own beside `--set`.

    Raises:
        RecipeError: It is no YAML, a key is unknown, or a value is not valid; the error names the line.
    """
    document = _Document(where)
    data = document.load(text)
    for key, value in (overrides or {}).items():
        if _INSTEAD.get(key, key) not in (overrides or {}):
            _forget(document, data, _INSTEAD.get(key, ""))
        _override(document, data, key, value, (options or {}).get(key, f"--set {key}"))
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise _explain(error, document) from None
    return recipe.found_at(document.places, where)


class _Document:
    """One YAML text.

    Attributes:
        where: What it is called.
        places: Where every key and item stands, by its path.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.places: dict[KeyPath, str] = {}
        self._values = 0
        self._scalars = yaml.SafeLoader("")

    def load(self, text: str) -> dict[str, Any]:
        """The text as plain data."""
        data = self.value_of(text, (), self.where)
        if data is None:
            return {}
        if not isinstance(data, dict):
            raise RecipeError(
                "a recipe is a mapping of keys to values", where=self.where, act="see `imagecurator init`"
            )
        return data

    def value_of(self, text: str, path: KeyPath, where: str, *, numbered: bool = True) -> Any:
        """The plain value that a YAML text says."""
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            return None if node is None else self._value(node, path, where, numbered=numbered)
        except RecursionError:
            problem, place = "it is nested too deeply, or into itself", where
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = _line(where, mark) if mark and numbered else where
            problem = str(error.problem or error.context)
        except yaml.YAMLError as error:
            problem, place = str(error).splitlines()[0], where
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # a wrong tag, a number without end
            problem, place = f"a value is not what its tag says: {error}"[:200], where
        raise RecipeError(f"this is not valid YAML: {problem}", where=place)

    def _value(self, node: yaml.Node, path: KeyPath, where: str, *, numbered: bool) -> Any:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise RecipeError(
                f"it says more than {_MAX_VALUES:,} values",
                where=self.where,
                cause="aliases repeat themselves",
                act=_INIT,
            )
        here = _line(where, node.start_mark) if numbered else where
        self.places.setdefault(path, here)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN:
            raise RecipeError(f"this is not valid YAML: the tag {node.tag!r} has no place in a recipe", where=here)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, at), where, numbered=numbered) for at, item in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return self._checked(self._scalars.construct_object(node), here)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = _line(where, key_node.start_mark) if numbered else where
            if not isinstance(key_node, yaml.ScalarNode):
                raise RecipeError("a key is a plain word", where=place, act=_INIT)
            key = str(self._checked(str(key_node.value), place))
            if key in result:
                raise RecipeError(f"the key {key!r} stands here a second time", where=place, act="keep one")
            self.places[*path, key] = place
            result[key] = self._value(value_node, (*path, key), where, numbered=numbered)
        return result

    @staticmethod
    def _checked(value: Any, place: str) -> Any:
        """Text that can be written down again: half of a UTF-16 pair cannot."""
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise RecipeError(f"{value!r} is not valid text", where=place) from None
        return value


def _line(where: str, mark: yaml.Mark) -> str:
    return f"{where}, line {mark.line + 1}"


def _override(document: _Document, data: dict[str, Any], key: str, value: str, place: str) -> None:
    """Set one key as the command line says it at some place; a value that is no YAML is taken as text."""
    *parents, last = key.split(".")
    section = data
    for depth, parent in enumerate(parents):
        path = tuple(parents[: depth + 1])
        document.places.setdefault(path, place)
        if section.get(parent) is None or section[parent] is True:  # not said, or switched on or off as a whole
            section[parent] = _defaults(path)
        section = section[parent]
        if not isinstance(section, dict):
            raise RecipeError(f"{parent!r} is no section of the recipe", where=place)
    path = (*parents, last)
    for known in [known for known in document.places if known[: len(path)] == path]:
        del document.places[known]
    document.places[path] = place
    try:
        section[last] = document.value_of(value, path, place, numbered=False)
    except RecipeError:
        section[last] = value


def _forget(document: _Document, data: dict[str, Any], key: str) -> None:
    """Leave out a key of a section, if it is there."""
    parent, _, last = key.partition(".")
    section = data.get(parent)
    if isinstance(section, dict):
        section.pop(last, None)
        document.places.pop((parent, last), None)


def _defaults(path: KeyPath) -> dict[str, Any]:
    """What a section that the recipe leaves out holds, so that setting one key leaves its neighbours."""
    return dict(Recipe().rules) if path == ("rules",) else {}


def _explain(error: ValidationError, document: _Document) -> RecipeError:
    """The first thing wrong, as one sentence."""
    first = error.errors()[0]
    # a union adds the names of its alternatives to the location; only real keys have a place
    path: KeyPath = ()
    for part in first["loc"]:
        path = (*path, part) if (*path, part) in document.places else path
    key = ".".join(map(str, path)) or "recipe"
    place = document.places.get(path, document.where)
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return RecipeError(f"unknown key {name!r}", where=place, act=_instead_of(name, first["loc"][:-1]))
    # an option says which key it sets, but for one that sets a whole section
    named = place == f"--set {key}" or (place.startswith("--") and not place.startswith("--set "))
    told = _message(first) if named else f"{key}: {_message(first)}"
    return RecipeError(told, where=place, act=_INIT)


def _instead_of(name: str, section: tuple[int | str, ...]) -> str:
    """What to write instead of a key that a section does not have."""
    if not section and name in {spec.task for spec in registry.specs()}:
        return f"a score's model stands under `models`: `models: {{{name}: …}}`; the score itself under `scores`"
    return nearest(name, _keys_at(section))


def _message(problem: ErrorDetails) -> str:
    """What is wrong with a value, in the words of a recipe."""
    kind, message = problem["type"], str(problem["msg"])
    if kind == "model_type":
        keys = "train: 0.95, val: 0.05" if problem["loc"] == ("split",) else ", ".join(_keys_at(problem["loc"]))
        return f"this is a section with keys of its own ({keys}), not {_shown(problem['input'])}"
    if kind in _WANTED:
        return f"this should be {_WANTED[kind]}, not {_shown(problem['input'])}"
    if message.startswith("Input should be"):
        return f"this{message.removeprefix('Input')}, not {_shown(problem['input'])}"
    return message.removeprefix("Value error, ")


def _shown(value: Any) -> str:
    """A value as a recipe says it, on one line."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _keys_at(path: KeyPath) -> list[str]:
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
