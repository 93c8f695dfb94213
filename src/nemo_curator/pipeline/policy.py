"""From a recipe to the policy that decides and the settings that export."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from nemo_curator import storage
from nemo_curator.codecs.rendition import Encode, Rendition
from nemo_curator.errors import RecipeError
from nemo_curator.pipeline.places import refuse_secret
from nemo_curator.pipeline.set_names import check_names, earlier_runs, protect_sets, renamed_places
from nemo_curator.planning.recipe import PREFER, KnownBadSection, Recipe
from nemo_curator.runs.deciding import (
    Alike,
    Copies,
    IdList,
    KnownBad,
    Policy,
    Rule,
    Sample,
    Split,
    check_policy,
    parse_rule,
    read_id_list,
)
from nemo_curator.runs.exporting import ExportSettings
from nemo_curator.shards.hash_lists import read_hash_list
from nemo_curator.stages.catalogue import declared_columns, score_names
from nemo_curator.stages.image.io.rows import IDENTITY

_SCORED_AGAIN = "a run that is scored already is scored again by `imagecurator score INPUT RUN`"
_NONE: Mapping[str, str] = MappingProxyType({})


def plan_policy(
    recipe: Recipe, schema: pa.Schema, absent: Mapping[str, str] = _NONE, *, embeds: bool = False
) -> Policy:
    """Check everything in a recipe that decides, against the columns that there are or will be.

    Args:
        recipe: The recipe.
        schema: The columns.
        absent: Column that there could be to why it is not there.
        embeds: Whether there are embeddings, or will be.

    Raises:
        RecipeError: Duplicates are to be found by what is not there; a rule or column is unknown, or a rule is no
            boolean; a list of hashes has a name that is taken, or needs the score `hashes`.
        InputError: A list of ids or hashes cannot be read.
    """
    check_names(recipe)
    known = schema.names
    rules = tuple(_rule(name, text, known, recipe.place("rules", name), absent) for name, text in recipe.rules.items())
    prefer = parse_rule("prefer", recipe.duplicates.prefer, known, recipe.place("duplicates", "prefer"))
    sample = recipe.sample and Sample(recipe.sample.n, recipe.sample.share, recipe.sample.seed, recipe.sample.by)
    split = recipe.split and Split(tuple(recipe.split.shares.items()), recipe.split.seed, recipe.split.by)
    policy = Policy(
        rules,
        recipe.duplicates.bytes,
        prefer,
        _ids(recipe.allow),
        _ids(recipe.deny),
        sample or None,
        split or None,
        _known_bad(recipe),
        _alike(recipe, known, embeds=embeds),
        recipe.duplicates.within,
        tuple(one.name for one in protect_sets(recipe)),
        tuple(one.name for one in earlier_runs(recipe)),
    )
    check_policy(policy, schema)
    return policy


def fitting(recipe: Recipe, columns: Collection[str]) -> Recipe:
    """The recipe with those of the default rules whose columns will be there, where it lists no rules of its own.

    Args:
        recipe: The recipe.
        columns: Names of the scores that are computed.
    """
    if "rules" in recipe.model_fields_set:
        return recipe
    known = [*IDENTITY, *columns]
    rules = {name: text for name, text in recipe.rules.items() if _is_known(name, text, known)}
    return recipe if rules == recipe.rules else recipe.model_copy(update={"rules": rules})


def export_settings(recipe: Recipe) -> ExportSettings:
    """How a recipe writes what is kept."""
    section = recipe.export
    rendition = None
    if section.resize is not None or section.encode is not None:
        rendition = Rendition(
            section.resize.as_resize() if section.resize else None,
            section.encode.as_encode() if section.encode else Encode(),
            recipe.limits.as_limits(),
            recipe.decode.as_options(),
        )
    return ExportSettings(section.format, section.shard_size, section.shard_bytes, recipe.shuffle, rendition)


def anchored(recipe: Recipe) -> Recipe:
    """The recipe with its files named so that they are found from any directory.

    Raises:
        InputError: One is a URL with a password or a token in it.
    """
    return _with_files(recipe, _real)


def without_places(recipe: Recipe) -> Recipe:
    """The recipe as it may leave with a data set: its files by their base names."""
    return _with_files(recipe, _base)


def without_lists(recipe: Recipe) -> Recipe:
    """The recipe without its files of ids and hashes, for what need not read them."""
    return recipe.model_copy(update={"allow": None, "deny": None, "known_bad": KnownBadSection()})


def _with_files(recipe: Recipe, named: Callable[[str], str]) -> Recipe:
    """The recipe with every file that it names called in another way; what it does not say stays unsaid."""
    places: dict[str, Any] = {
        key: named(file) for key in ("allow", "deny") if (file := getattr(recipe, key)) is not None
    }
    if recipe.known_bad.lists:
        lists = {name: named(file) for name, file in recipe.known_bad.lists.items()}
        places["known_bad"] = recipe.known_bad.model_copy(update={"lists": lists})
    places |= renamed_places(recipe, named)
    return recipe.model_copy(update=places)


def _alike(recipe: Recipe, known: Collection[str], *, embeds: bool) -> Alike | None:
    """What makes duplicates beside equal bytes; None where nothing does."""
    section = recipe.duplicates
    if not (section.pixels or section.copies or section.similar):
        return None
    copies = section.copies and Copies(section.copies.distance, section.copies.min_quality, section.copies.turned)
    eps = section.similar.eps if section.similar else None
    alike = Alike(section.pixels, copies or None, eps, finer=section.prefer == PREFER)
    for key, (score, *columns) in alike.needs.items():
        if not set(columns) <= set(known):
            raise _missing(recipe, key, score, f"the column {columns[0]!r}")
    if alike.similar is not None and not embeds:
        raise _missing(recipe, "duplicates.similar", "embedding", "embeddings")
    return alike


def _missing(recipe: Recipe, key: str, score: str, what: str) -> RecipeError:
    scores = recipe.with_needed_scores().scores
    if scores == "all" or score in scores:
        act = f"compute it: `imagecurator score INPUT RUN {_switches(recipe)}` (or with your recipe), then decide again"
    else:
        act = f"add `{score}` to `scores`, where you list others ({_SCORED_AGAIN})"
    return RecipeError(
        f"{key} finds duplicates by {what}, and there is no such thing here",
        where=recipe.place(*key.split(".")) or key,
        act=act,
    )


def _switches(recipe: Recipe) -> str:
    """The options that switch on the kinds of duplicates of a recipe."""
    section = recipe.duplicates
    switches = ["--pixels"] if section.pixels else []
    if section.copies:
        switches += [f"--copies {section.copies.distance}", *(["--turned"] if section.copies.turned else [])]
    return " ".join(switches + ([f"--similar {section.similar.eps:g}"] if section.similar else []))


def _known_bad(recipe: Recipe) -> KnownBad | None:
    section = recipe.known_bad
    if not section.lists:
        return None
    lists = [
        read_hash_list(name, file, recipe.place("known_bad", "lists", name)) for name, file in section.lists.items()
    ]
    return KnownBad(tuple(lists), section.distance, section.min_quality)


def _ids(place: str | None) -> IdList | None:
    return None if place is None else read_id_list(place)


def _real(place: str) -> str:
    if not storage.is_local(place):
        return refuse_secret(place)
    return str(Path(storage.local_path(place)).resolve())


def _base(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2]


def _is_known(name: str, text: str, known: list[str]) -> bool:
    try:
        parse_rule(name, text, known)
    except RecipeError:
        return False
    return True


def _rule(name: str, text: str, known: list[str], where: str, absent: Mapping[str, str]) -> Rule:
    try:
        return parse_rule(name, text, known, where)
    except RecipeError as error:
        why = next((why for column, why in absent.items() if error.what == f"there is no column {column!r}"), "")
        if why:
            error.act = why
        elif score := _scored_by(error.what):
            error.act = f"add `{score}` to `scores`: it computes that column ({_SCORED_AGAIN})"
        elif "there is no column" in error.what:
            error.act = f"{error.act} (or add the score that computes it to `scores`)".strip()
        raise


def _scored_by(what: str) -> str:
    """The score that computes the column which is not there, as an error says; "" if there is none."""
    told = ((name, column) for name in score_names() for column in declared_columns(name))
    return next((name for name, column in told if what == f"there is no column {column.name!r}"), "")
