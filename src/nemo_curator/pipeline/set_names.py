"""What a recipe calls the sets of images elsewhere: each a place, with a name that is given or made of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nemo_curator import storage
from nemo_curator.errors import RecipeError
from nemo_curator.planning.recipe import Recipe

_NAMED = re.compile(r"([A-Za-z0-9][\w.-]{0,63})=(.+)", re.DOTALL | re.ASCII)
_PATTERN = re.compile(r"[*?\[]")
_SHARD = re.compile(r"\.tar(\.\w+)?$|\.tgz$|\.parquet$", re.IGNORECASE)
_MOST = 64  # characters of a name


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set as a recipe names it.

    Attributes:
        name: Its name.
        place: Its path, pattern or URL.
        where: Where it stands, for errors.
    """

    name: str
    place: str
    where: str

    @property
    def entry(self) -> str:
        """The form in which a recipe is stored."""
        return f"{self.name}={self.place}"


def protect_sets(recipe: Recipe) -> list[NamedSet]:
    """The protect sets of a recipe, in order."""
    return _named(recipe, "protect", recipe.protect)


def earlier_runs(recipe: Recipe) -> list[NamedSet]:
    """The earlier runs of a recipe, in order."""
    return _named(recipe, "against", recipe.against)


def check_names(recipe: Recipe) -> None:
    """Make sure that no two sets have one name.

    Raises:
        RecipeError: Two have, or none can be made.
    """
    owners: dict[str, NamedSet] = {}
    for one in [*protect_sets(recipe), *earlier_runs(recipe)]:
        before = owners.setdefault(one.name.casefold(), one)
        if before is not one:
            raise RecipeError(
                f"two sets are called {one.name!r}: {before.place} and {one.place}",
                where=one.where,
                act="give one of them a name of its own, as in NAME=PATH",
            )


def renamed_places(recipe: Recipe, named: Callable[[str], str]) -> dict[str, list[str]]:
    """The keys of a recipe about sets, each place called in another way and each name written down."""
    keys = {"protect": protect_sets(recipe), "against": earlier_runs(recipe)}
    return {key: [f"{one.name}={named(one.place)}" for one in sets] for key, sets in keys.items() if sets}


def is_pattern(place: str) -> bool:
    """Whether a place stands for all that match it."""
    return _PATTERN.search(place) is not None and not storage.exists(place)


def _named(recipe: Recipe, key: str, entries: Sequence[str]) -> list[NamedSet]:
    return [_parsed(entry, recipe.place(key, at) or recipe.place(key) or key) for at, entry in enumerate(entries)]


def _parsed(entry: str, where: str) -> NamedSet:
    match = _NAMED.fullmatch(entry)
    if match and ("://" in match[2] or not storage.exists(entry)):  # a path may have a = in it
        return NamedSet(match[1], match[2], where)
    parts = [part for part in entry.rstrip("/").split("/") if part not in {"", ".", ".."}]
    while len(parts) > 1 and (_PATTERN.search(parts[-1]) or parts[-1] == "run"):
        parts.pop()  # `evaluation/*.tar` is called by its folder, OUTPUT/run by its data set
    name = re.sub(r"[^\w.-]+", "-", _SHARD.sub("", parts[-1] if parts else ""), flags=re.ASCII).strip("-._")[:_MOST]
    if not name:
        raise RecipeError(f"no name can be made of {entry!r}", where=where, act="give one, as in NAME=PATH")
    return NamedSet(name, entry, where)
