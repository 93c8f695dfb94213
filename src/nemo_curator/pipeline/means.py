"""What a scoring uses of this machine: found out before it starts, and before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nemo_curator.cores import usable_cores
from nemo_curator.machine_memory import usable_memory
from nemo_curator.pipeline.lazy import lazily, policy_on
from nemo_curator.pipeline.score_chain import score_chain
from nemo_curator.pipeline.score_plan import ScorePlan
from nemo_curator.pipeline.scoring import Stage, plan_scoring
from nemo_curator.planning.means import LOCAL, Asked, Machine, Means, plan_means
from nemo_curator.planning.memory import least_budget
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory

_MANY = 1 << 30  # partitions, where nobody knows how many there are


def with_means(plan: ScorePlan, recipe: Recipe, asked: Asked) -> ScorePlan:
    """The plan with what it uses of this machine: of several chains of stages, what the one that takes most uses.

    Of a cluster nothing is known before it is asked. That a budget is too small for any host is found out all the same.

    Args:
        plan: The plan.
        recipe: The recipe that it was made of.
        asked: What the user said.

    Raises:
        MemoryBudgetError: The budget is too small for it.
    """
    chains: list[Sequence[Stage] | None] = [None] if plan.work.whole else []
    chains += [stages for columns in plan.work.columns for stages in plan.scoring.ways(columns)]
    partitions = len(plan.work.partitions)
    found = [
        plan_means(score_chain(plan.run, plan.scoring, recipe, some), partitions, _machine(), asked) for some in chains
    ]
    if asked.executor != LOCAL:
        return replace(plan, means=None)
    return replace(plan, means=max(found, key=lambda one: least_budget(one.memory.needs), default=None))


def means_of(recipe: Recipe, asked: Asked) -> Means:
    """What scoring by a recipe uses of this machine, where there is input enough.

    Args:
        recipe: An effective recipe.
        asked: What the user said.

    Raises:
        MemoryBudgetError: The budget is too small for it.
    """
    scoring = plan_scoring(recipe)
    if recipe.lazy:
        scoring = lazily(scoring, policy_on(scoring, recipe, None))
    return plan_means(score_chain(RunDirectory(""), scoring, recipe), _MANY, _machine(), asked)


def _machine() -> Machine:
    return Machine(usable_cores(), usable_memory())
