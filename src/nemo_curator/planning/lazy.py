"""Which stages may be skipped for which images: those that a cheaper rule rejects already.

What is skipped must change no verdict and no reason. ADR 0024 has the proof; `plan_skips` is its first half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from nemo_curator.stages.declarations import Cost


@dataclass(frozen=True, slots=True)
class Step:
    """A stage, as far as skipping it goes.

    Attributes:
        name: Its name.
        cost: Its cost class, or that of what it stands on if that is higher; never lower than that of a step before.
        columns: Everything that it gives.
        stands_on: Numbers of the steps before it whose results it looks at, or may look at.
        kept: Why it cannot be skipped, as the end of a sentence; "" where it can.
    """

    name: str
    cost: Cost
    columns: frozenset[str]
    stands_on: frozenset[int] = frozenset()
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """A rule, as far as skipping by it goes.

    Attributes:
        name: Its name.
        columns: Columns that it reads.
        of_one_row: Whether one image's row is all that it needs.
    """

    name: str
    columns: frozenset[str]
    of_one_row: bool = True


@dataclass(frozen=True, slots=True)
class Skip:
    """When a step is skipped.

    Attributes:
        rules: Numbers of the rules, ascending; the step is skipped for an image for which one of them is true.
        why: Why there are none, or no more, as a sentence about the step; "" where no rule stands in the way.
    """

    rules: tuple[int, ...] = ()
    why: str = ""


def plan_skips(
    steps: Sequence[Step], rules: Sequence[Reject], known: Collection[str], needed: Mapping[str, str]
) -> tuple[Skip, ...]:
    """Find the rules by which each step is skipped.

    Args:
        steps: The stages in the order in which they run.
        rules: The rules in recipe order.
        known: Columns that are there before any stage runs.
        needed: Column that is needed of every image, to who needs it.

    Returns:
        One for each step.
    """
    found = [_by_itself(step, steps, rules, known, needed) for step in steps]
    for index in reversed(range(len(steps))):
        for below in steps[index].stands_on:
            left = tuple(rule for rule in found[below].rules if rule in found[index].rules)
            if left != found[below].rules:
                why = (
                    found[below].why if left else f"{steps[index].name} stands on it, and is not skipped by those rules"
                )
                found[below] = Skip(left, why)
    return tuple(found)


def _by_itself(
    step: Step, steps: Sequence[Step], rules: Sequence[Reject], known: Collection[str], needed: Mapping[str, str]
) -> Skip:
    """When a step could be skipped if no other stood on it."""
    if step.cost is Cost.HEADER:
        return Skip(why="nothing is cheaper")
    if step.kept:
        return Skip(why=step.kept)
    wanted = next((who for column, who in sorted(needed.items()) if column in step.columns), None)
    if wanted is not None:
        return Skip(why=f"{wanted} needs it of every image")
    there = {*known, *chain.from_iterable(other.columns for other in steps if other.cost < step.cost)}
    cheap = [at for at, rule in enumerate(rules) if rule.of_one_row and rule.columns <= there]
    # from the first rule on that reads what the step gives, nobody can say which rule would have been the first
    reader = next((at for at, rule in enumerate(rules) if rule.columns & step.columns), len(rules))
    before = tuple(at for at in cheap if at < reader)
    if cheap:
        behind = ", ".join(rules[at].name for at in cheap if at > reader)
        return Skip(before, f"the rule {rules[reader].name} reads it, and stands before {behind}" if behind else "")
    return Skip(why="no rule looks at one image's cheaper columns alone")
