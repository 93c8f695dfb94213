"""Lazy scoring: from rules to the stages that are passed over, to what columns say of it, and back to a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nemo_curator.errors import RecipeError
from nemo_curator.pipeline.policy import plan_policy
from nemo_curator.pipeline.scoring import Passing, Scoring, Stage, classes, gives
from nemo_curator.planning.lazy import Reject, Step, plan_skips
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.deciding import Policy, Skipped, needed_of_all, parse_rule
from nemo_curator.runs.fingerprints import EMBEDDING, fingerprint
from nemo_curator.runs.parts import part_schema
from nemo_curator.runs.state import PlannedColumn, RunState
from nemo_curator.stages.catalogue import declared_columns
from nemo_curator.stages.image.embedding_fit import embedding_dimension, gives_embeddings
from nemo_curator.stages.image.io.rows import DECODED, IDENTITY

LAZY = "lazy"
"""Key, in the facts of a column, of the rules by which it was left out."""

_KNOWN = frozenset(IDENTITY) - frozenset(DECODED)
"""Columns that are there before any score, whether or not anything is decoded."""


def policy_on(scoring: Scoring, recipe: Recipe, state: RunState | None) -> Policy:
    """How a recipe decides, over its own columns and those that a run has already.

    Args:
        scoring: What the recipe comes to.
        recipe: The recipe.
        state: The run, if there is one.

    Raises:
        RecipeError: A rule is unknown, or no boolean.
        InputError: A list cannot be read.
    """
    columns = {column.name: column for column in scoring.columns}
    if state is not None:
        columns = {column.name: column for column in state.columns} | columns
    absent = {
        column.name: f"the score {name!r} gives it, and is left out: {missing}"
        for name, missing in scoring.skipped
        for column in declared_columns(name)
    }
    embeds = EMBEDDING in scoring.fingerprints or (state is not None and EMBEDDING in state.fingerprints)
    return plan_policy(recipe, part_schema(list(columns.values())), absent, embeds=embeds)


def lazily(scoring: Scoring, policy: Policy) -> Scoring:
    """The scoring, passing over for each image what a cheaper rule makes needless.

    Args:
        scoring: A complete scoring.
        policy: How its recipe decides.
    """
    rejects = [Reject(rule.name, rule.columns, rule.of_one_row) for rule in policy.rules]
    skips = plan_skips(list(_steps(scoring.stages)), rejects, _KNOWN, needed_of_all(policy))
    passing = tuple(Passing({at: policy.rules[at] for at in one.rules}, policy.allow, one.why) for one in skips)
    return replace(scoring, planned=_planned(scoring, passing), lazy=passing)


def passed_over(scoring: Scoring) -> Iterator[str]:
    """What a lazy scoring leaves out, in sentences."""
    together: dict[tuple[str, ...], list[str]] = {}
    for stage, passing in zip(scoring.stages, scoring.lazy, strict=False):
        if passing.rules:
            together.setdefault(tuple(rule.name for rule in passing.rules.values()), []).append(stage.name)
    for rules, stages in together.items():
        are = "is" if len(stages) == 1 else "are"
        yield f"lazy: {', '.join(stages)} {are} not computed for what {' or '.join(rules)} rejects"


def skipped_in(state: RunState) -> tuple[Skipped, ...]:
    """What the scoring of a run left out, as its columns say.

    Raises:
        RecipeError: What is stored is no rule.
    """
    groups: dict[str, tuple[dict[str, Any], set[str]]] = {}
    for name in state.fingerprints:
        said = (state.column_facts(name) or {}).get(LAZY)
        if isinstance(said, dict):
            groups.setdefault(fingerprint(said), (said, set()))[1].add(name)
    return tuple(_skipped(state, said, frozenset(columns)) for said, columns in groups.values())


def _skipped(state: RunState, said: Mapping[str, Any], columns: frozenset[str]) -> Skipped:
    known = state.schema.names
    try:
        rules = tuple(parse_rule(f"lazy {at}", text, known) for at, text in enumerate(sorted(said["rules"].keys())))
        read = {str(name): fingerprint(facts) for name, facts in said["read"].items()}
    except (KeyError, TypeError, AttributeError):
        raise RecipeError(
            "what is stored about lazy columns is not valid",
            where=state.run.run_json,
            act="score again with --rescore",
        ) from None
    certain = all(fingerprint(state.column_facts(name) or {}) == facts for name, facts in read.items())
    return Skipped(columns, rules, str(said.get("allow", "")), certain)


def _steps(stages: tuple[Stage, ...]) -> Iterator[Step]:
    for index, (stage, cost) in enumerate(zip(stages, classes(stages), strict=True)):
        needs = stage.needs()
        before = range(index)
        if needs is None:  # it declares nothing, so it may look at whatever came before
            stands_on = frozenset(before)
        elif needs.embedding:
            stands_on = frozenset(one for one in before if gives_embeddings(stages[one]))
        else:
            stands_on = frozenset()
        silent = gives_embeddings(stage) and not embedding_dimension(stage)
        kept = "it does not say how long its embeddings are" if silent else ""
        yield Step(stage.name, cost, frozenset(gives(stage)), stands_on, kept)


def _planned(scoring: Scoring, passing: tuple[Passing, ...]) -> tuple[PlannedColumn, ...]:
    """The columns; those that may be left out say by what, and what the columns are that this is told by."""
    facts: dict[str, Mapping[str, Any]] = {one.name: one.facts for one in scoring.planned}
    for stage, one in zip(scoring.stages, passing, strict=True):
        if one.rules:
            said: dict[str, Any] = {
                # a mapping, so that each is named when they change
                "rules": {rule.text.strip(): "skips" for rule in one.rules.values()},
                "read": {name: facts[name] for name in sorted(one.read) if name in facts},
            }
            if one.allow is not None:
                said["allow"] = one.allow.sha256
            for name in gives(stage):
                facts[name] = {**facts[name], LAZY: said}
    return tuple(replace(one, facts=facts[one.name]) for one in scoring.planned)
