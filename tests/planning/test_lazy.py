"""Which stages may be skipped for which images: a model of scoring and deciding, in which nothing may differ."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_curator.planning.lazy import Reject, Skip, Step, plan_skips
from nemo_curator.stages.declarations import Cost

KNOWN = frozenset({"k0", "k1"})


@dataclass(frozen=True)
class Case:
    """Steps, rules, what is needed of every image, and the values of one."""

    steps: list[Step]
    rules: list[Reject]
    needed: dict[str, str]
    truths: list[dict[str, bool]]
    values: dict[str, bool]

    def matches(self, rule: int, row: dict[str, bool]) -> bool:
        """Whether a rule is true: any function of its columns will do, and of whether they are missing."""
        truth = self.truths[rule]
        return any(truth[f"{column}={row.get(column)}"] for column in sorted(self.rules[rule].columns))


@st.composite
def cases(draw):
    """A few steps of ascending cost, each with one or two columns, and rules over any of them."""
    costs = sorted(draw(st.lists(st.sampled_from(Cost), min_size=1, max_size=4)))
    steps = [
        Step(
            f"s{at}",
            cost,
            frozenset({f"c{at}", *([f"d{at}"] if draw(st.booleans()) else [])}),
            frozenset(one for one in range(at) if draw(st.integers(0, 2)) == 0),
            draw(st.sampled_from(["", "", "", "it is dear to me"])),
        )
        for at, cost in enumerate(costs)
    ]
    columns = sorted({*KNOWN, *(column for step in steps for column in step.columns)})
    often = [*columns, *sorted(KNOWN) * 2]  # else few rules are cheap
    some = st.frozensets(st.sampled_from(often), min_size=1, max_size=2)
    rules = [Reject(f"r{at}", draw(some), draw(st.integers(0, 4)) > 0) for at in range(draw(st.integers(0, 5)))]
    truths = [
        {f"{column}={value}": draw(st.booleans()) for column in sorted(rule.columns) for value in (True, False, None)}
        for rule in rules
    ]
    needed = {column: "somebody" for column in columns if draw(st.integers(0, 6)) == 0}
    return Case(steps, rules, needed, truths, {column: draw(st.booleans()) for column in columns})


def first(case: Case, row: dict[str, bool]) -> int | None:
    """The first rule that is true for a row."""
    return next((at for at in range(len(case.rules)) if case.matches(at, row)), None)


def scored(case: Case, skips: tuple[Skip, ...]) -> tuple[dict[str, bool], set[int]]:
    """What a lazy scoring computes of the image, and which steps it leaves out."""
    row = {column: case.values[column] for column in KNOWN}
    left_out = set()
    for at, (step, skip) in enumerate(zip(case.steps, skips, strict=True)):
        if any(case.matches(rule, row) for rule in skip.rules):
            left_out.add(at)
        else:
            row |= {column: case.values[column] for column in step.columns}
    return row, left_out


@settings(max_examples=1000)
@given(cases())
def test_no_verdict_and_no_reason_differs(case):
    """Whatever is left out, the first rule that is true is the one of a complete scoring, and reads nothing missing."""
    row, left_out = scored(case, plan_skips(case.steps, case.rules, KNOWN, case.needed))
    rule = first(case, row)
    assert rule == first(case, case.values)
    missing = {column for at in left_out for column in case.steps[at].columns}
    if missing:
        assert rule is not None
        assert not any(case.rules[at].columns & missing for at in range(rule + 1))


@given(cases())
def test_what_is_needed_or_stood_on_is_there(case):
    """No header score, nothing that is kept or needed of every image, and nothing that a step stands on is left out."""
    skips = plan_skips(case.steps, case.rules, KNOWN, case.needed)
    _, left_out = scored(case, skips)
    for at, step in enumerate(case.steps):
        if step.cost is Cost.HEADER or step.kept or step.columns & case.needed.keys():
            assert not skips[at].rules
        if at not in left_out:
            assert not step.stands_on & left_out
        assert skips[at].rules or skips[at].why


@given(cases())
def test_rules_look_at_what_is_computed_before(case):
    """A rule that skips a step is one of one row, over columns of cheaper classes alone."""
    for step, skip in zip(case.steps, plan_skips(case.steps, case.rules, KNOWN, case.needed), strict=True):
        cheaper = {column for other in case.steps if other.cost < step.cost for column in other.columns}
        for at in skip.rules:
            assert case.rules[at].of_one_row
            assert case.rules[at].columns <= KNOWN | cheaper


def test_reasons():
    """What is not skipped says why, in words."""
    steps = [
        Step("header", Cost.HEADER, frozenset({"side"})),
        Step("entropy", Cost.STATISTICS, frozenset({"entropy"})),
        Step("embedding", Cost.MODEL, frozenset({"embedding"})),
        Step("head", Cost.MODEL, frozenset({"head"}), frozenset({2})),
        Step("nsfw", Cost.MODEL, frozenset({"nsfw"})),
    ]
    rules = [
        Reject("small", frozenset({"side"})),
        Reject("bad", frozenset({"nsfw"})),
        Reject("dull", frozenset({"entropy"})),
    ]
    skips = plan_skips(steps, rules, KNOWN, {})
    assert [skip.rules for skip in skips] == [(), (0,), (0, 2), (0, 2), (0,)]
    assert [skip.why for skip in skips[:4]] == ["nothing is cheaper", "", "", ""]
    assert skips[4].why == "the rule bad reads it, and stands before dull"
    skips = plan_skips(steps, rules, KNOWN, {"head": "the rule best"})
    assert [skip.rules for skip in skips] == [(), (0,), (), (), (0,)]
    assert skips[2].why == "head stands on it, and is not skipped by those rules"
    assert skips[3].why == "the rule best needs it of every image"
    skips = plan_skips(steps, [rules[1], rules[0]], KNOWN, {})
    assert skips[4].why == "the rule bad reads it, and stands before small"
    assert plan_skips(steps, [rules[1]], KNOWN, {})[1].why == "no rule looks at one image's cheaper columns alone"
