"""From verdicts to the funnel: inputs, what each step takes away, and what stays; and the groups of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nemo_curator.report.content import Group, Reason, Step, Unusable
from nemo_curator.report.facts import RunFacts
from nemo_curator.report.remedies import remedy
from nemo_curator.report.samples import Row
from nemo_curator.report.verdicts import Positions, Verdicts
from nemo_curator.report.words import duplicate_words, shown, shown_id


def rule_names(facts: RunFacts, verdicts: Verdicts) -> list[str]:
    """Lists of known images and rules in recipe order, then those that only the verdicts know."""
    return list(dict.fromkeys([*facts.reasons, *verdicts.rules("reject")]))


def groups_of(facts: RunFacts, verdicts: Verdicts) -> tuple[Group, ...]:
    """What the groups of the verdicts are called, in their order."""
    return tuple(
        Group(
            verdict,
            duplicate_words(rule) if verdict == "duplicate" else shown(rule, 80),
            shown(facts.reasons.get(rule, ""), 300) if verdict == "reject" else "",
            verdicts.count(verdict, rule),
        )
        for verdict, rule in verdicts.groups
    )


def funnel_of(
    verdicts: Verdicts,
    unusable: Mapping[str, Positions],
    facts: RunFacts,
    sizes: tuple[Mapping[int, int], Mapping[str, int]],
) -> tuple[Step, ...]:
    """The funnel. Each bar stands where the inputs that it takes stood.

    Args:
        verdicts: The verdicts.
        unusable: Error code to positions.
        facts: What `run.json` says.
        sizes: Bytes of encoded images by number of their group, and by error code.
    """
    by_group, by_code = sizes
    taken = [
        Step("quarantine", shown(code, 60), "", len(places), 0, 0, "quarantined", bytes=by_code.get(code))
        for code, places in unusable.items()
    ]
    for rule in rule_names(facts, verdicts):
        text = shown(facts.reasons.get(rule, ""), 300)
        taken.append(_step(verdicts, by_group, "reject", rule, shown(rule, 80), text))
    kinds = verdicts.rules("duplicate")
    taken += [_step(verdicts, by_group, "duplicate", rule, duplicate_words(rule), "") for rule in kinds]
    if not kinds:
        taken.append(Step("duplicate", "duplicates", "", 0, 0, 0))
    total, left = max(1, verdicts.total), verdicts.total
    known = [*by_group.values(), *by_code.values()]
    steps = [Step("inputs", "inputs", "", left, left / total, 0.0, bytes=sum(known) if known else None)]
    for step in taken:
        left -= step.count
        steps.append(_placed(step, total, left))
    kept = _step(verdicts, by_group, "keep", None, "kept", "")
    return (*steps, _placed(kept, total, 0))


def _step(verdicts: Verdicts, sizes: Mapping[int, int], kind: str, rule: str | None, name: str, detail: str) -> Step:
    groups = verdicts.numbers_of(kind, rule)
    count = verdicts.count(kind, rule)
    known = [sizes[group] for group in groups if group in sizes]
    anchor = "images" if count else ""
    return Step(kind, name, detail, count, 0, 0, anchor, groups[0] if count else -1, sum(known) if known else None)


def _placed(step: Step, total: int, left: int) -> Step:
    return Step(
        step.kind,
        step.name,
        step.detail,
        step.count,
        step.count / total,
        max(0, left) / total,
        step.anchor,
        step.group,
        step.bytes,
    )


def quarantine_of(
    unusable: Mapping[str, Positions], shown_places: Sequence[int], rows: Mapping[int, Row]
) -> tuple[Reason, ...]:
    """Inputs that could not be used, by reason, the most frequent first.

    Args:
        unusable: Error code to positions.
        shown_places: Positions of those that are listed.
        rows: Position to part row, of these at least.
    """
    listed = set(shown_places)
    reasons = [
        Reason(
            shown(code, 60),
            *remedy(code),
            len(places),
            tuple(_unusable(rows[int(one)]) for one in places if int(one) in listed),
        )
        for code, places in unusable.items()
    ]
    return tuple(sorted(reasons, key=lambda one: -one.count))


def _unusable(row: Row) -> Unusable:
    return Unusable(shown_id(row["image_id"]), shown_id(row["source"] or ""), shown(row["error_detail"] or "", 300))
