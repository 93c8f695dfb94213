"""The images of elsewhere that a recipe compares with: protect sets, scored as the run is, and earlier runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo_curator.errors import (
    IncompleteScoreError,
    InputError,
    MissingExtraError,
    RecipeError,
    StaleScoresError,
    WeightsNotFoundError,
)
from nemo_curator.pipeline.datasets import DataSet, open_data_set
from nemo_curator.pipeline.output import check_run_place, claim_run, remove_run
from nemo_curator.pipeline.places import path_inside
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Protecting
from nemo_curator.pipeline.score import score, start
from nemo_curator.pipeline.score_plan import plan_score
from nemo_curator.pipeline.scored import decision_of, scored_partitions
from nemo_curator.pipeline.set_names import NamedSet, check_names, earlier_runs, protect_sets
from nemo_curator.planning.means import NOTHING, Asked
from nemo_curator.planning.numerics import settled_in
from nemo_curator.planning.recipe import DuplicatesSection, KnownBadSection, Recipe, ScoreEntry
from nemo_curator.runs.elsewhere import OtherSet, Role
from nemo_curator.runs.fingerprints import EMBEDDING, changes
from nemo_curator.runs.fingerprints import fingerprint as fingerprint_of
from nemo_curator.runs.growth import grow
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.location import run_at
from nemo_curator.runs.pairing.distinct import PDQ, TURNED_PDQ
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.state import RunState
from nemo_curator.stages.catalogue import ScoreStage, make_score_stage, score_names
from nemo_curator.stages.image.embedding_fit import gives_embeddings

_PIXELS, _QUALITY = "pixels_sha256", "pdq_quality"
_SCORES = {_PIXELS: "pixels", PDQ: "hashes", _QUALITY: "hashes", TURNED_PDQ: "turned_hashes", EMBEDDING: "embedding"}

Facts = Mapping[str, Mapping[str, Any]]
"""Column to what its values depend on."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A set as it was found.

    Attributes:
        named: As the recipe names it.
        role: What it is for.
        scored: Where it is scored already; None for an input.
        data: What is read of an input; None for what is scored.
        ids: Partitions of what is scored, in source order.
    """

    named: NamedSet
    role: Role
    scored: RunState | None
    data: DataSet | None
    ids: tuple[str, ...] = ()


def compared_columns(recipe: Recipe) -> list[str]:
    """The columns that images of elsewhere are compared by, beside equal bytes."""
    section = recipe.duplicates
    columns = [_PIXELS] if section.pixels else []
    columns += [PDQ, _QUALITY] if section.copies else []
    columns += [TURNED_PDQ] if section.copies and section.copies.turned else []
    return [*columns, *([EMBEDDING] if section.similar else [])]


def check_others(recipe: Recipe, run: RunDirectory, facts: Facts) -> None:
    """Make sure, before anything is scored, that the sets of a recipe are there and can be compared with.

    Args:
        recipe: The recipe.
        run: The run directory, which need not be there.
        facts: What the columns of the run depend on, as far as that is known; only those are compared.

    Raises:
        InputError: A set is missing, holds no image, or is a run that is not scored or not decided.
        RecipeError: Two sets have one name.
        OutputExistsError: A set lies inside the run directory, or that in it.
        StaleScoresError: The columns of a scored one were computed in another way than the run's.
    """
    _checked(recipe, run, facts)


def _checked(recipe: Recipe, run: RunDirectory, facts: Facts) -> list[_Found]:
    check_names(recipe)
    found = [*map(_protected, protect_sets(recipe)), *map(_earlier, earlier_runs(recipe))]
    for one in found:
        if one.data is not None:
            check_run_place(run, one.data.roots)
        if one.scored is not None:
            if path_inside(one.scored.run.root, run.root) == "":
                raise RecipeError("this is the run itself", where=one.named.where, act="name another one")
            _refuse_other_columns(one.named, one.scored, recipe, facts)
    return found


def other_sets(
    state: RunState,
    recipe: Recipe,
    watcher: Watcher,
    *,
    folder: str | None = None,
    asked: Asked = NOTHING,
) -> list[OtherSet]:
    """The sets of a recipe, ready to be compared with: a protect set that is not scored as the run is, is scored now.

    Each is scored in a run directory inside the run; what is there already is used.

    Args:
        state: The run.
        recipe: The recipe.
        watcher: Told of what is read.
        folder: Where to score instead what is not there, so that nothing is written into the run.
        asked: What the user said of workers and memory.

    Raises:
        CuratorError: As `check_others`, and as any scoring.
    """
    facts = {name: found for name in compared_columns(recipe) if (found := state.column_facts(name)) is not None}
    sets = []
    for one in _checked(recipe, state.run, facts):
        if one.scored is not None:
            run, ids = one.scored.run, one.ids
        else:
            run = _scored(one, state, recipe, facts, watcher, folder, asked.here)
            ids = tuple(scored_partitions(run))
        sets.append(OtherSet.of(one.named.name, one.role, run, ids))
    return sets


def _protected(named: NamedSet) -> _Found:
    scored = RunState.read(RunDirectory(named.place))
    if scored is not None:
        return _Found(named, "protect", scored, None, tuple(scored_partitions(scored.run, scored)))
    return _Found(named, "protect", None, open_data_set(named.place))


def _earlier(named: NamedSet) -> _Found:
    run = run_at(named.place)
    state = RunState.require(run)
    ids = tuple(scored_partitions(run, state))
    try:
        decided = "funnel" in state.facts and state.facts.get("decision") == decision_of(run)
    except OSError:
        decided = False
    if not decided:
        raise InputError(
            "this earlier run is not decided, so that nobody knows what it kept",
            where=named.place,
            act="run `imagecurator decide` on it first",
        )
    return _Found(named, "against", state, None, ids)


def _refuse_other_columns(named: NamedSet, other: RunState, recipe: Recipe, facts: Facts) -> None:
    """Refuse a scored run whose hashes or embeddings are not comparable."""
    for name in compared_columns(recipe):
        theirs = other.column_facts(name)
        if theirs is None:
            raise StaleScoresError(
                f"{named.name} has no {name} to compare by",
                where=named.place,
                act=f"score it with `{_SCORES[name]}` among its `scores`, or leave this kind of duplicates out",
            )
        if name in facts and fingerprint_of(theirs) != fingerprint_of(facts[name]):
            raise StaleScoresError(
                f"{name} of {named.name} was computed in another way than this run's: "
                f"{'; '.join(changes(theirs, facts[name])[:3])}",
                where=named.place,
                act="score one of the two again with `--rescore`, so that both are computed in one way",
            )


def _scored(
    one: _Found,
    state: RunState,
    recipe: Recipe,
    facts: Facts,
    watcher: Watcher,
    folder: str | None,
    asked: Asked,
) -> RunDirectory:
    """A protect set's run directory, after it is scored as the run is."""
    data = one.data or open_data_set(one.named.place)
    own = _recipe(recipe)
    settled = settled_in(state.facts)
    run = state.run.protect(one.named.name)
    other = _is_other(run, data)
    if folder is not None and (other or _plan(run, data, own, settled).work.partitions):
        run, other = RunDirectory(folder).protect(one.named.name), False
    if other:
        remove_run(run)
    plan = _plan(run, data, own, settled)
    planned = {column.name: column.facts for column in plan.scoring.planned}
    for name, mine in facts.items():
        if name in planned and fingerprint_of(mine) != fingerprint_of(planned[name]):
            raise StaleScoresError(
                f"{name} of {one.named.name} would be computed in another way than this run's: "
                f"{'; '.join(changes(mine, planned[name])[:3])}",
                where=state.run.root,
                act="score the run again with `--rescore`, so that both are computed in one way",
            )
    if plan.work.partitions or RunState.read(run) is None:
        watcher.told(Protecting(one.named.name))
        claim_run(run)
        start(plan, own, rescore=True)
        score(plan, own, asked=asked, watcher=Watcher())
    return run


def _plan(run: RunDirectory, data: DataSet, own: Recipe, settled: Mapping[str, Any]) -> Any:
    return plan_score(run, data.listing, own, rescore=True, settled=settled)


def _is_other(run: RunDirectory, data: DataSet) -> bool:
    """Whether what was scored there is not, or not only, what the set holds now."""
    if RunState.read(run) is None:
        return False
    return bool(grow(read_partitions(run), data.listing.entries).vanished_files)


def _recipe(recipe: Recipe) -> Recipe:
    """The recipe that scores a protect set: what the comparisons need, computed as the run's columns are."""
    scores = _entries(recipe)
    names = {one if isinstance(one, str) else next(iter(one)) for one in scores}
    return Recipe(
        scores=scores,
        models={name: model for name, model in recipe.models.items() if name in names},
        rules={},
        duplicates=DuplicatesSection(),
        known_bad=KnownBadSection(),
        limits=recipe.limits,
        decode=recipe.decode,
        inference=recipe.inference,
    )


def _entries(recipe: Recipe) -> list[ScoreEntry]:
    """The scores of a recipe that give the columns to compare by; those that it names no more under their own names."""
    missing = set(compared_columns(recipe))
    found: list[ScoreEntry] = []
    for entry in score_names() if recipe.scores == "all" else recipe.scores:
        name, parameters = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
        if not missing:
            break
        model = {"model": recipe.models[name]} if name in recipe.models else {}
        gives = _gives(name, {**parameters, **model}) & missing
        if gives:
            found.append(entry)
            missing -= gives
    return [*found, *dict.fromkeys(_SCORES[name] for name in _SCORES if name in missing)]


def _gives(name: str, parameters: Mapping[str, Any]) -> set[str]:
    try:
        stage = make_score_stage(name, dict(parameters))
    except (MissingExtraError, WeightsNotFoundError, IncompleteScoreError):
        return set()
    columns = {column.name for column in stage.score_columns()} if isinstance(stage, ScoreStage) else set()
    return columns | ({EMBEDDING} if gives_embeddings(stage) else set())
