"""Decide: the verdicts of a run by a recipe's rules, from stored scores alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any

from pydantic import ValidationError

from nemo_curator import storage
from nemo_curator.errors import IncompleteRunError, RecipeError
from nemo_curator.pipeline.output import sweep_run
from nemo_curator.pipeline.pairs import pairs_for
from nemo_curator.pipeline.policy import anchored, fitting, plan_policy
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Funnel, Policy, RuleWarning, decide
from nemo_curator.runs.deciding.scratch import scratch_folder
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.pairing.pair_file import PairFile
from nemo_curator.runs.partitions import read_partition_ids
from nemo_curator.runs.parts import part_fingerprints
from nemo_curator.runs.state import RunState

_SCORE = "finish scoring with `imagecurator score INPUT RUN`, or `run`"


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
    return plan_policy(recipe, state.schema, embeds=EMBEDDING in state.fingerprints)


def decide_run(
    run: RunDirectory, recipe: Recipe | None = None, *, write: bool = True, watcher: Watcher | None = None
) -> Funnel:
    """Give every input of a run its verdict.

    Args:
        run: The run; all its partitions must have been scored.
        recipe: Whose rules, lists, duplicates, sample and split count; the one in force by default.
        write: Whether to write `decisions.parquet` and put the recipe in force.
        watcher: Told of a search for pairs, where the recipe needs one that nobody made yet.

    Raises:
        MissingRunError: There is no run.
        IncompleteRunError: Partitions are not scored yet.
        RecipeError: A rule cannot be evaluated on the run's columns.
        InputError: A list or a part cannot be read.
        DuplicateIdError: Two inputs have the same id.
        ConservationError: The verdicts do not add up.
    """
    state = RunState.require(run)
    ids = scored_partitions(run, state)
    recipe = stored_recipe(state) if recipe is None else fitting(recipe, [column.name for column in state.columns])
    policy = policy_of(state, recipe)
    with nullcontext(None) if write else scratch_folder() as folder:
        pairs = pairs_for(state, recipe, policy, ids, watcher or Watcher(), folder)
        funnel = _decided(state, recipe, policy, ids, pairs, write=write)
    found = tuple(file.facts for file in pairs.values())
    return replace(funnel, pairs=found)


def _decided(
    state: RunState,
    recipe: Recipe,
    policy: Policy,
    ids: Sequence[str],
    pairs: Mapping[str, PairFile],
    *,
    write: bool,
) -> Funnel:
    run = state.run

    def begin() -> None:
        # before them, so that no verdicts ever stand beside a recipe that they do not come from
        state.set_recipe(recipe.model_dump(mode="json"))
        state.undecided()
        state.write()

    funnel = decide(run, ids, policy, write=write, pairs=pairs, before_writing=begin)
    funnel = replace(funnel, warnings=tuple(one for one in funnel.warnings if not _is_expected(one, recipe)))
    if write:
        state.decided(funnel.figures, decision_of(run), lists_of(policy), [asdict(one) for one in funnel.warnings])
        state.facts["pairs"] = {kind: asdict(file.facts) for kind, file in pairs.items()}
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


def decision_of(run: RunDirectory) -> str:
    """A name for the verdicts that stand in a run: 16 hex digits, equal for equal verdicts."""
    with storage.open(run.decisions) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]  # type: ignore[arg-type]  # it is read like one


def recipe_of(run: RunDirectory) -> Recipe:
    """The recipe in force in a run.

    Raises:
        MissingRunError: There is no run.
    """
    return stored_recipe(RunState.require(run))


def decide_locked(
    run: RunDirectory, recipe: Recipe | None = None, *, write: bool = True, watcher: Watcher | None = None
) -> Funnel:
    """`decide_run`, with nobody else at work in the run directory.

    Raises:
        LockedError: Somebody is.
        CuratorError: As `decide_run`.
    """
    RunState.require(run)
    if not write:
        return decide_run(run, recipe, write=False, watcher=watcher)
    with storage.locked(run.root):
        sweep_run(run)
        return decide_run(run, None if recipe is None else anchored(recipe), watcher=watcher)


def scored_partitions(run: RunDirectory, state: RunState | None = None) -> list[str]:
    """Ids of a run's partitions, in source order, all of which are there.

    Args:
        run: The run directory.
        state: Where given, no partition may hold a column that was computed in another way than the run records: a
            rescoring that was interrupted leaves such.

    Raises:
        IncompleteRunError: Some are not.
    """
    ids = read_partition_ids(run)
    if not ids:
        raise IncompleteRunError("nothing is scored here yet", where=run.root, act=_SCORE)
    marks = {one: part_fingerprints(run, one) for one in ids}
    missing = [one for one in ids if marks[one] is None]
    if missing:
        raise IncompleteRunError(
            f"{len(missing):,} of {len(ids):,} partitions are not scored, or damaged",
            where=run.root,
            cause=f"the first is {run.part(missing[0])}",
            act=_SCORE,
        )
    recorded = state.fingerprints if state is not None else {}
    for one in ids:
        old = [name for name, mark in (marks[one] or {}).items() if recorded.get(name, mark) != mark]
        if old:
            raise IncompleteRunError(
                f"some partitions hold {', '.join(sorted(old)[:5])} as computed before the last change",
                where=run.root,
                cause=f"a scoring with --rescore was interrupted; the first is {run.part(one)}",
                act="give the same `score` or `run` command again",
            )
    return ids
