"""Scores that a lazy scoring leaves out: verdicts are those of a complete one, byte for byte, or there are none."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runs.tables import COLUMNS, SCHEMA, listed, made_run, policy, row

from nemo_curator.errors import StaleScoresError
from nemo_curator.planning.lazy import Reject, Step, plan_skips
from nemo_curator.runs.deciding import Policy, RowAnswers, Sample, Skipped, Split, decide, needed_of_all
from nemo_curator.runs.parts import part_table
from nemo_curator.shards.parquet import read_table
from nemo_curator.stages.declarations import Cost
from nemo_curator.stages.image.io.rows import IDENTITY

RULES = [
    "flag", "not flag", "flag is null", "a < 2", "a is null", "coalesce(a, 3) > 2", "b > 1", "b is distinct from 2",
    "coalesce(b, 5) > 4", "word = 'x'", "word like 'x%'", "word is null or flag", "width < 50", "width < 50 and a < 3",
    "a < 1 and b < 1", "a + b > 3", "b / a > 1", "ln(a) > 0", "b * 9223372036854775807 > 3", "sqrt(a - 2) > 1",
    "a < quantile(a, 0.4)", "rank(b) > 3", "b > quantile(b, 0.5) and flag", "case when flag then a > 1 else b > 1 end",
    "caption_frequency > 1", "length(word) / (b - 1) > 0.5", "a in (1, 2)", "not (a between 1 and 2)", "true", "null",
]  # fmt: skip
NAMES = [one.name for one in COLUMNS]


@dataclass(frozen=True)
class Scored:
    """Rows of a complete scoring, and in which class each column is computed."""

    rows: list[dict[str, Any]]
    costs: dict[str, Cost]

    def lazily(self, how: Policy) -> tuple[list[dict[str, Any]], tuple[Skipped, ...]]:
        """The rows as a lazy scoring under a policy leaves them, and what it says of itself."""
        order = sorted(NAMES, key=lambda name: self.costs[name])
        steps = [Step(name, self.costs[name], frozenset({name})) for name in order]
        rejects = [Reject(rule.name, rule.columns, rule.of_one_row) for rule in how.rules]
        skips = plan_skips(steps, rejects, frozenset(IDENTITY), needed_of_all(how))
        some = {at: how.rules[at] for skip in skips for at in skip.rules}
        left = [{name: value for name, value in one.items() if name not in NAMES} for one in self.rows]
        with RowAnswers(list(some.values()), SCHEMA) as answers:
            for step, skip in zip(steps, skips, strict=True):
                there = part_table([{"ordinal": at, **one} for at, one in enumerate(left)], SCHEMA)
                found = answers.ask(there.select(answers.schema.names))
                for one, whole, true in zip(left, self.rows, found, strict=True):
                    numbers = {list(some)[at] for at in true}
                    allowed = how.allow and pc.index(how.allow.ids, one["image_id"]).as_py() >= 0
                    if allowed or not numbers & set(skip.rules):
                        one |= {name: whole[name] for name in step.columns if name in whole}
        allow = how.allow.sha256 if how.allow else ""
        said = [
            Skipped(step.columns, tuple(how.rules[at] for at in skip.rules), allow)
            for step, skip in zip(steps, skips, strict=True)
            if skip.rules
        ]
        return left, tuple(said)


@st.composite
def scorings(draw):
    """A few images, some of which share their bytes, and the cost of each column."""
    value = {
        "a": st.sampled_from([None, -1.0, 0.0, 1.0, 2.0, 2.5, 4.0, float("inf")]),
        "b": st.sampled_from([None, -3, 0, 1, 2, 5]),
        "flag": st.sampled_from([None, True, False]),
        "word": st.sampled_from([None, "", "x", "xy", "é"]),
        "width": st.sampled_from([40, 100]),
        "sha256": st.sampled_from(["0", "1", "2"]),
        "caption": st.sampled_from([None, "one", "two"]),
    }
    rows = [row(f"i{at}", **{name: draw(one) for name, one in value.items()}) for at in range(draw(st.integers(1, 7)))]
    return Scored(rows, {name: draw(st.sampled_from(Cost)) for name in NAMES})


@st.composite
def policies(draw, folder):
    """Rules, lists, a sample, a split."""
    rules = draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=4))
    ids = st.lists(st.sampled_from([f"i{at}" for at in range(7)]), max_size=3)
    lists = {which: listed(folder, *draw(ids), name=which) for which in ("allow", "deny") if draw(st.booleans())}
    sample = draw(st.sampled_from([None, Sample(n=2), Sample(share=0.5, by="word")]))
    split = draw(st.sampled_from([None, Split((("train", 0.5), ("val", 0.5)), by="caption")]))
    prefer = draw(st.sampled_from([None, "width", "coalesce(b, 0)"]))
    return policy(*rules, prefer=prefer, sample=sample, split=split, **lists)


def verdicts(rows: list[dict[str, Any]], how: Policy) -> pa.Table:
    """The decisions on some rows."""
    with tempfile.TemporaryDirectory() as folder:
        run, ids = made_run(folder, rows)
        decide(run, ids, how)
        return read_table(run.decisions)


def same(lazy: pa.Table, complete: pa.Table) -> bool:
    """Whether all is equal but for the names of rules that lazy scoring left without an answer."""
    open_ = zip(lazy["undecided"].to_pylist(), complete["undecided"].to_pylist(), strict=True)
    rest = (repr(table.drop_columns("undecided").to_pydict()) for table in (lazy, complete))  # in which NaN is NaN
    return len(set(rest)) == 1 and all(set(here or ()) <= set(there or ()) for here, there in open_)


ONE_ROW = [rule for rule in policy(*RULES).rules if rule.of_one_row]


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(scorings(), st.lists(st.sampled_from(ONE_ROW), min_size=1, max_size=5, unique=True))
def test_rows_are_answered_as_decisions_are_made(scored, rules):
    """What a rule says of an image while it is scored is what it says when verdicts are made: true, or not."""
    table = part_table([{"ordinal": at, **one} for at, one in enumerate(scored.rows)], SCHEMA)
    with RowAnswers(rules, SCHEMA) as answers:
        found = answers.ask(table.select(answers.schema.names))
        alone = [answers.ask(table.slice(at, 1).select(answers.schema.names))[0] for at in range(table.num_rows)]
    assert alone == found
    first = [rules[min(true)].name if true else None for true in found]
    told = verdicts(scored.rows, Policy(tuple(rules), duplicate_bytes=False))
    assert told["rule"].to_pylist() == first


slow = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(st.data(), scorings())
def test_lazy_decides_as_complete(data, scored):
    """By the rules that it was lazy by, a run has the verdicts, reasons, figures and splits of a complete scoring."""
    with tempfile.TemporaryDirectory() as folder:
        how = data.draw(policies(folder))
        rows, said = scored.lazily(how)
        assert same(verdicts(rows, replace(how, skipped=said)), verdicts(scored.rows, how))


@slow
@given(st.data(), scorings())
def test_other_rules_decide_as_complete_or_not_at_all(data, scored):
    """By any other policy a lazily scored run has the verdicts of a complete scoring, or is refused.

    Nothing is missing of what it keeps or calls a duplicate.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows, said = scored.lazily(data.draw(policies(folder)))
        how = data.draw(policies(folder))
        try:
            found = verdicts(rows, replace(how, skipped=said))
        except StaleScoresError:
            return
        assert same(found, verdicts(scored.rows, how))
    for verdict, here, there in zip(found["verdict"].to_pylist(), rows, scored.rows, strict=True):
        assert verdict not in {"keep", "duplicate"} or here == there


SCORED = Scored(
    [row("i0", a=1.0, b=1), row("i1", a=3.0, b=2), row("i2", a=5.0, b=3)],
    {"a": Cost.STATISTICS, "b": Cost.MODEL, "flag": Cost.HEADER, "word": Cost.HEADER},
)


def test_refusal_names_images_and_what_to_do():
    """A rule that lets an image go for which a score was left out is refused in one sentence."""
    rows, said = SCORED.lazily(policy("a < 4", "b > 2"))
    assert [one.get("b") for one in rows] == [None, None, 3]
    with pytest.raises(StaleScoresError) as caught:
        verdicts(rows, replace(policy("a < 2", "b > 2"), skipped=said))
    told = str(caught.value)
    assert "1 image lacks b, 'i1' for one, which a lazy scoring left out by a < 4" in told
    assert "imagecurator score INPUT RUN --recipe FILE --rescore" in told


@pytest.mark.parametrize(
    ("other", "settles"),
    [
        (policy("a < 5", "b > 2"), True),
        (policy("a < 4"), True),
        (policy("width > 0", "b > 2", "a < 4"), True),
        (policy("b > 2", "a < 4"), False),
        (policy("a < 4", "b < quantile(b, 0.5)"), False),
        (policy("a < 4", "rank(a + b) > 2"), False),
        (policy("a < 4", prefer="b"), False),
        (policy("b > 2"), False),
        (policy(), False),
        (policy("a < 4", sample=Sample(n=1, by="b")), False),
    ],
)
def test_what_other_policies_may_ask(other, settles):
    """A stricter rule, another place, one rule less will do; what needs the score of everything will not."""
    rows, said = SCORED.lazily(policy("a < 4", "b > 2"))
    how = replace(other, skipped=said)
    if settles:
        assert same(verdicts(rows, how), verdicts(SCORED.rows, other))
    else:
        with pytest.raises(StaleScoresError):
            verdicts(rows, how)


def test_columns_that_changed_since_make_everything_uncertain():
    """Where a skip rule would be asked about other values than before, whatever is NULL may have been left out."""
    rows, said = SCORED.lazily(policy("a < 4", "b > 2"))
    for one in rows:
        one["a"] = 9.0
    unsure = tuple(replace(one, certain=False) for one in said)
    with pytest.raises(StaleScoresError, match="2 images lack b"):
        verdicts(rows, replace(policy("b > 2"), skipped=unsure))


def test_an_allowed_image_is_computed_and_kept(tmp_path):
    """What the list allows is not left out; another list later is believed only where the score is there."""
    allow = listed(tmp_path, "i1")
    rows, said = SCORED.lazily(policy("a < 4", allow=allow))
    assert [one.get("b") for one in rows] == [None, 2, 3]
    for other in (allow, listed(tmp_path, "i1", "i2", name="more.txt")):
        how = policy("a < 4", allow=other)
        assert same(verdicts(rows, replace(how, skipped=said)), verdicts(SCORED.rows, how))
    with pytest.raises(StaleScoresError, match="'i0' for one"):
        verdicts(rows, replace(policy("a < 4", allow=listed(tmp_path, "i0", name="other.txt")), skipped=said))
