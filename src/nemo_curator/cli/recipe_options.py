"""The recipe that a command line names: a file, keys set one by one, rules.

What it says of storage elsewhere counts for the rest of the command.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from nemo_curator import storage
from nemo_curator.errors import RecipeError
from nemo_curator.planning.recipe import SCORING_KEYS, Recipe
from nemo_curator.planning.recipe_text import parse_recipe


class Said(str):
    """`KEY=VALUE` that an option of its own says, and not `--set`.

    Attributes:
        option: That option.
    """

    __slots__ = ("option",)
    option: str

    @classmethod
    def by(cls, option: str, text: str) -> Self:
        """What an option says."""
        said = cls(text)
        said.option = option
        return said


def with_scores(settings: Sequence[str] | None, scores: str | None) -> list[str]:
    """Settings with the scores that `--scores` names.

    Args:
        settings: `KEY=VALUE` of each key to set.
        scores: Names with commas between, or `all`; None sets nothing.

    Raises:
        RecipeError: The scores are set in two ways, or no name is given.
    """
    given = list(settings or [])
    if scores is None:
        return given
    if any(_section(_setting(text, "--set")[0]) == "scores" for text in given):
        raise RecipeError("--scores and --set scores=… say the same thing twice", act="leave one of them out")
    names = [name.strip() for name in scores.split(",") if name.strip()]
    if not names:  # such as an environment variable that is not set
        raise RecipeError("--scores names no score", act="name some with commas between, or `all`; or leave it out")
    return [*given, Said.by("--scores", f"scores={'all' if names == ['all'] else json.dumps(names)}")]


@dataclass(frozen=True, slots=True)
class DuplicateOptions:
    """Options of the command line about duplicates; what is not given sets nothing.

    Attributes:
        pixels: Of `--pixels`.
        copies: Of `--copies`.
        turned: Of `--turned`.
        similar: Of `--similar`.
        protect: Of `--protect`.
        against: Of `--against`.
    """

    pixels: bool = False
    copies: int | None = None
    turned: bool = False
    similar: float | None = None
    protect: Sequence[str] | None = None
    against: Sequence[str] | None = None

    def settings(self, settings: Sequence[str] | None) -> list[str]:
        """Settings with what these options say.

        Args:
            settings: `KEY=VALUE` of each key to set.

        Raises:
            RecipeError: A key is set in two ways.
        """
        keys = {
            "--pixels": ("duplicates.pixels", "true" if self.pixels else None),
            "--copies": ("duplicates.copies.distance", self.copies),
            "--turned": ("duplicates.copies.turned", "true" if self.turned else None),
            "--similar": ("duplicates.similar.eps", self.similar),
            "--protect": ("protect", json.dumps(list(self.protect)) if self.protect else None),
            "--against": ("against", json.dumps(list(self.against)) if self.against else None),
        }
        given = list(settings or [])
        named = [_setting(text, "--set")[0] for text in given]
        for option, (key, value) in keys.items():
            if value is None:
                continue
            twice = next((one for one in named if f"{key}.".startswith(f"{one}.")), None)
            if twice is not None:
                raise RecipeError(f"{option} and --set {twice}=… say the same thing twice", act="leave one of them out")
            given.append(Said.by(option, f"{key}={value}"))
        return given


def reach_by(path: str | None, settings: Sequence[str] | None) -> None:
    """Reach storage elsewhere as a command line says it, before its recipe is made of one that lies there.

    Args:
        path: A file of a recipe; None where the command names none.
        settings: `KEY=VALUE` of each key to set.

    Raises:
        RecipeError: What the file or a setting says is not valid.
    """
    read_recipe(path, [text for text in settings or [] if _section(_setting(text, "--set")[0]) == "storage"])


def _reached(recipe: Recipe) -> Recipe:
    storage.use(recipe.storage.options)
    return recipe


def read_recipe(path: str | None, settings: Sequence[str] | None = None) -> Recipe:
    """The recipe of a file, or the default one, with keys set.

    Args:
        path: The file, a path or URL.
        settings: `KEY=VALUE` of each key to set.

    Raises:
        RecipeError: The file cannot be read, or what it or a setting says is not valid.
    """
    overrides = dict(_setting(text, "--set") for text in settings or [])
    where = str(path or "the default recipe")
    return _reached(parse_recipe(_text(path), where=where, overrides=overrides, options=_options(settings)))


def overridden(text: str, settings: Sequence[str]) -> Recipe:
    """The recipe of a command of its own, with keys set.

    Args:
        text: The recipe.
        settings: `KEY=VALUE` of each key to set.

    Raises:
        RecipeError: A setting is not valid.
    """
    return _reached(parse_recipe(text, where="--set", overrides=dict(_setting(one, "--set") for one in settings)))


def continued_recipe(stored: Recipe, settings: Sequence[str] | None) -> Recipe:
    """The recipe in force in a run, with keys set.

    Raises:
        RecipeError: A setting is not valid.
    """
    return _reached(
        _with_settings(stored, dict(_setting(text, "--set") for text in settings or []), _options(settings))
    )


def changed_recipe(
    stored: Recipe, path: str | None, settings: Sequence[str] | None, rules: Sequence[str] | None = None
) -> Recipe:
    """The recipe in force in a run with what decides taken from a file, and keys and rules set.

    What scores (scores, models, limits, decode) stays as it is: it is stored already.

    Args:
        stored: The recipe in force.
        path: A file whose rules, lists, duplicates, sample, split, shuffle and export count.
        settings: `KEY=VALUE` of each key to set.
        rules: `NAME=EXPRESSION` of each rule to set; the others stay.

    Raises:
        RecipeError: Something in it is not valid, or sets what was scored already.
    """
    overrides = dict(_setting(text, "--set") for text in settings or [])
    for key in overrides:
        if _section(key) in SCORING_KEYS:
            raise RecipeError(
                f"{key} says what to compute, and this command computes nothing",
                where=f"--set {key}",
                act="give it to `imagecurator score`",
            )
    if path is None:
        recipe = _with_settings(stored, overrides, _options(settings))
    else:
        recipe = parse_recipe(_text(path), where=str(path), overrides=overrides, options=_options(settings))
    for rule in rules or []:
        recipe = recipe.with_rule(*_setting(rule, "--rule"), where=f"--rule {rule.partition('=')[0]}")
    return _reached(recipe.model_copy(update={name: getattr(stored, name) for name in SCORING_KEYS}))


def export_recipe(stored: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe in force in a run with another way to write.

    Raises:
        RecipeError: A setting is not valid, or is about something else: the verdicts are there already.
    """
    overrides = dict(_setting(text, "--set") for text in settings)
    for key in overrides:
        if _section(key) not in _WRITING:
            raise RecipeError(
                f"{key} changes nothing in an export, whose verdicts are there already",
                where=f"--set {key}",
                act="give it to `imagecurator decide` or `score`",
            )
    return _reached(_with_settings(stored, overrides))


def embedding_recipe(model: str | None, model_dir: str | None, settings: Sequence[str] | None) -> Recipe:
    """The recipe of embeddings alone.

    Args:
        model: Name of the model; that of the score by default.
        model_dir: The user's model directory, made absolute, because the run may be searched from elsewhere.
        settings: `KEY=VALUE` of each key of `limits`, `decode` and `inference` to set.

    Raises:
        RecipeError: A setting is not valid, or is about something else.
    """
    overrides = dict(_setting(text, "--set") for text in settings or [])
    for key in overrides:
        if _section(key) not in _EMBEDDING:
            raise RecipeError(
                f"{key} has no say in how images are embedded",
                where=f"--set {key}",
                act="set keys of `limits`, `decode` and `inference`, or use `imagecurator score`",
            )
    given = {"model": model, "model_dir": model_dir and str(Path(model_dir).absolute())}
    parameters = {name: value for name, value in given.items() if value}
    scores = [{"embedding": parameters} if parameters else "embedding"]
    recipe = _reached(parse_recipe("", where="--set", overrides=overrides))
    return recipe.model_copy(update={"scores": scores, "rules": {}}).found_at({}, "")


def _options(settings: Sequence[str] | None) -> dict[str, str]:
    """Key to the option that says it, where that is not `--set`."""
    return {_setting(one, "--set")[0]: one.option for one in settings or [] if isinstance(one, Said)}


def _with_settings(stored: Recipe, overrides: dict[str, str], options: Mapping[str, str] | None = None) -> Recipe:
    # defaults are left out, so that setting one of two keys that exclude each other is no conflict
    own = yaml.safe_dump(stored.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    return parse_recipe(own, where="the run's recipe", overrides=overrides, options=options)


def _section(key: str) -> str:
    return key.partition(".")[0]


_WRITING = ("export", "shuffle", "storage")
_EMBEDDING = ("limits", "decode", "inference", "storage")


def _text(recipe: str | None) -> str:
    if recipe is None:
        return ""
    try:
        if storage.is_local(recipe):
            return Path(storage.local_path(recipe)).read_text(encoding="utf-8")  # a pipe is as good as a file here
        with storage.open(recipe) as file:
            return file.read().decode()
    except FileNotFoundError:
        raise RecipeError("there is no such recipe", where=recipe, act="`imagecurator init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe cannot be read: {error}", where=recipe) from None


def _setting(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        what = "KEY=VALUE" if option == "--set" else "NAME=EXPRESSION"
        example = "--set export.shard_size=500" if option == "--set" else '--rule dark="brightness < 0.1"'
        raise RecipeError(f"{option} {text}: this is not {what}", act=f"write it as in {example}")
    return key.strip(), value
