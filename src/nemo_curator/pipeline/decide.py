"""Decide: the verdicts of a run by a recipe's rules, from stored scores alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ValidationError

from nemo_curator import storage
from nemo_curator.errors import RecipeError
from nemo_curator.pipeline.lazy import skipped_in
from nemo_curator.pipeline.others import other_sets
from nemo_curator.pipeline.output import sweep_run
from nemo_curator.pipeline.pairs import pairs_between_for, pairs_for
from nemo_curator.pipeline.policy import anchored, fitting, plan_policy
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Decided
from nemo_curator.pipeline.scored import decision_of, scored_parts
from nemo_curator.pipeline.unchanged import reading
from nemo_curator.planning.means import Asked
from nemo_curator.planning.memory import database_bytes
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel, Policy, RuleWarning, decide, refuse_search
from nemo_curator.runs.deciding.schemas import Schemas
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.elsewhere import OtherSet
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.pair_file import Between, PairFile
from nemo_curator.runs.state import RunState


def stored_recipe(state: RunState) -> Recipe:
    """The recipe in force in a run.

    Raises:
        RecipeError: What is stored is not a valid recipe.
    """
    try:
        return Recipe.model_validate(state.recipe)
    except ValidationError as error:
        raise RecipeError(
            "the recipe that is stored here is not valid",
            where=state.run.run_json,
            cause=str(error.errors()[0]["msg"]),
            act="score again with a recipe, which uses what is scored already",
        ) from None


def policy_of(state: RunState, recipe: Recipe) -> Policy:
    """The policy of a recipe over the columns that a run has.

    Raises:
        RecipeError: A rule names a column that was never computed, or is no boolean.
        InputError: A list of ids or hashes cannot be read.
    """
    policy = plan_policy(recipe, state.schema, embeds=EMBEDDING in state.fingerprints)
    return replace(policy, skipped=skipped_in(state))


def decide_run(
    run: RunDirectory,
    recipe: Recipe | None = None,
    *,
    write: bool = True,
    workers: int | None = None,
    memory: int | None = None,
    watcher: Watcher | None = None,
) -> Funnel:
    """Give every input of a run its verdict. A protect set that is not scored yet is scored before.

    Args:
        run: The run; all its partitions must have been scored.
        recipe: Whose rules, lists, duplicates, sample and split count; the one in force by default.
        write: Whether to write `decisions.parquet` and put the recipe in force.
        workers: Worker processes for protect sets; one a CPU core by default.
        memory: Bytes that all processes may take together, searches for pairs left out; None leaves it to us.
        watcher: Told of a search for pairs, where the recipe needs one that nobody made yet, and of protect sets.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: Partitions are not scored yet.
        RecipeError: A rule cannot be evaluated on the run's columns.
        InputError: A list or a part cannot be read.
        DuplicateIdError: Two inputs have the same id.
        ConservationError: The verdicts do not add up.
        StaleScoresError: A set of elsewhere cannot be compared with; or a score is needed of an image for which a lazy
            scoring left it out.
        LockedError: Something that is read and not held was changed meanwhile: the run itself if nothing is to be
            written, or a set of elsewhere.
    """
    watcher = watcher or Watcher()
    RunState.require(run)
    with reading() as read, nullcontext(None) if write else scratch_folder() as folder:
        if not write:  # then it is not held
            read.watch(run)
        state = RunState.require(run)
        ids, schemas = [], Schemas()
        for partition_id, facts in scored_parts(run, state):
            ids.append(partition_id)
            schemas.add(facts.schema)
        recipe = stored_recipe(state) if recipe is None else fitting(recipe, [column.name for column in state.columns])
        policy = policy_of(state, recipe)
        refuse_search(policy, run.root)
        others = other_sets(state, recipe, watcher, folder=folder, asked=Asked(workers, memory))
        for one in others:
            read.watch(one.run, verdicts=one.role == "against")
        pairs = pairs_for(state, recipe, policy, ids, watcher, folder)
        between = pairs_between_for(state, recipe, policy, ids, others, watcher, folder)
        for files in (pairs, *between.values()):
            read.watch_pairs(files.values())
        database = None if memory is None else database_bytes(memory)
        beside = _Beside(schemas, pairs, tuple(others), between, database)
        funnel = _decided(state, recipe, policy, ids, beside, before_writing=read.check if write else None)
        if not write:
            read.check()
    found = [file.facts for file in pairs.values()]
    found += [file.facts for files in between.values() for file in files.values()]
    watcher.told(Decided(funnel.figures, tuple(one.text for one in funnel.warnings)))
    return replace(funnel, pairs=tuple(found))


@dataclass(frozen=True, slots=True)
class _Beside:
    """What a decision needs beside the run.

    Attributes:
        schemas: Columns of its parts.
        pairs: Kind to near pairs within it.
        others: Sets of elsewhere.
        between: Near pairs with each of them.
        memory: Bytes that the database may hold; None leaves it to us.
    """

    schemas: Schemas
    pairs: Mapping[str, PairFile]
    others: tuple[OtherSet, ...]
    between: Between
    memory: int | None

    @property
    def facts(self) -> dict[str, Any]:
        """What the files of pairs are of."""
        found = {kind: asdict(file.facts) for kind, file in self.pairs.items()}
        for key, files in self.between.items():
            found |= {f"{kind}-{key}": asdict(file.facts) for kind, file in files.items()}
        return found

    def counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Of every protect set how many images can be compared, and how many cannot be read."""
        counted = {one.name: one.counted for one in self.others if one.role == "protect"}
        readable = {name: int(found.sum()) for name, found in counted.items()}
        broken = {name: len(found) - readable[name] for name, found in counted.items()}
        return readable, {name: number for name, number in broken.items() if number}


def _decided(
    state: RunState,
    recipe: Recipe,
    policy: Policy,
    ids: Sequence[str],
    beside: _Beside,
    *,
    before_writing: Callable[[], None] | None,
) -> Funnel:
    """The funnel; without something to do before that, nothing is written."""
    run = state.run
    write = before_writing is not None

    def begin() -> None:
        if before_writing is not None:
            before_writing()
        # before them, so that no verdicts ever stand beside a recipe that they do not come from
        state.set_recipe(recipe.model_dump(mode="json"))
        state.undecided()
        state.write()

    funnel = decide(
        run,
        ids,
        policy,
        write=write,
        schemas=beside.schemas,
        pairs=beside.pairs,
        others=beside.others,
        between=beside.between,
        memory=beside.memory,
        before_writing=begin,
    )
    protected, unreadable = beside.counts()
    funnel = replace(funnel, protected=protected, unreadable=unreadable)
    funnel = replace(funnel, warnings=tuple(one for one in funnel.warnings if not _is_expected(one, recipe)))
    if write:
        state.decided(funnel.figures, decision_of(run), lists_of(policy), [asdict(one) for one in funnel.warnings])
        state.facts["pairs"] = beside.facts
        state.write()
    return funnel


def _is_expected(warning: RuleWarning, recipe: Recipe) -> bool:
    """Whether a default rule rejects nothing: it is there for the worst, with a documented threshold nobody chose."""
    return warning.kind == "nothing" and recipe.rules.get(warning.rule) == Recipe().rules.get(warning.rule)


def lists_of(policy: Policy) -> dict[str, dict[str, Any]]:
    """The lists of a policy, by what they are: enough to tell one from another, without where they lie."""
    found = {"allow": policy.allow, "deny": policy.deny}
    lists: dict[str, dict[str, Any]] = {
        name: {"name": one.name, "sha256": one.sha256, "ids": len(one.ids)} for name, one in found.items() if one
    }
    for listed in policy.known_bad.lists if policy.known_bad else ():
        lists[f"known_bad.{listed.name}"] = {
            "name": listed.file,
            "sha256": listed.digest,
            "hashes": len(listed),
        }
    return lists


def recipe_of(run: RunDirectory) -> Recipe:
    """The recipe in force in a run.

    Raises:
        MissingRunError: There is no run.
    """
    return stored_recipe(RunState.require(run))


def decide_locked(
    run: RunDirectory,
    recipe: Recipe | None = None,
    *,
    write: bool = True,
    workers: int | None = None,
    watcher: Watcher | None = None,
) -> Funnel:
    """`decide_run`, with nobody else at work in the run directory.

    Raises:
        LockedError: Somebody is.
        CuratorError: As `decide_run`.
    """
    RunState.require(run)
    if not write:
        return decide_run(run, recipe, write=False, workers=workers, watcher=watcher)
    with storage.locked(run.root):
        sweep_run(run)
        return decide_run(run, None if recipe is None else anchored(recipe), workers=workers, watcher=watcher)
