"""What there is to score, and what is said of scores that were computed in another way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.errors import StaleScoresError
from nemo_curator.pipeline.scoring import Scoring
from nemo_curator.pipeline.work import Stale, Work, plan_work, refuse_stale, stale_columns
from nemo_curator.runs.fingerprints import RECORDS
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import PlannedColumn, RunState
from nemo_curator.stages.declarations import Column

NAMES = ("a", "b", "c")
PRINTS = st.sampled_from("01")
HELD = st.none() | st.dictionaries(st.sampled_from((RECORDS, *NAMES)), PRINTS)
WANTED = st.builds(
    lambda records, others: {RECORDS: records, **others}, PRINTS, st.dictionaries(st.sampled_from(NAMES), PRINTS)
)


@given(st.lists(HELD, max_size=6), WANTED, st.sets(st.integers(0, 5)))
def test_everything_that_is_lacking_and_nothing_else(held, wanted, again):
    """Each partition is asked for exactly the columns it lacks, and as a whole where its records are other ones."""
    ids = [f"{at}" for at in range(len(held))]
    parts = dict(zip(ids, held, strict=True))
    work = plan_work(ids, parts, wanted, {f"{at}" for at in again})
    asked = {one: set(wanted) for one in work.whole}
    for columns, some in work.columns.items():
        for one in some:
            assert one not in asked, "no partition is asked for twice"
            asked[one] = set(columns)
    for one in ids:
        part = parts[one]
        if part is None or int(one) in again or part.get(RECORDS) != wanted[RECORDS]:
            assert one in work.whole
        else:
            assert asked.get(one, set()) == {name for name in wanted if part.get(name) != wanted[name]}
    assert work.partitions == set(asked)
    assert list(work.whole) == sorted(work.whole)
    assert all(list(some) == sorted(some) for some in work.columns.values())


def test_nothing_to_do():
    """A run that has everything has no work; what it has besides does not matter."""
    assert plan_work(["x"], {"x": {RECORDS: "1", "a": "1", "old": "0"}}, {RECORDS: "1", "a": "1"}) == Work((), {})
    assert plan_work([], {}, {RECORDS: "1"}).partitions == set()


def state_of(*planned: PlannedColumn) -> RunState:
    """A run that has recorded how these columns are computed."""
    state = RunState.new(RunDirectory("somewhere"))
    state.plan(planned)
    return state


def scoring_of(*planned: PlannedColumn) -> Scoring:
    """A recipe that asks for these columns."""
    return Scoring((), planned)


def column(name: str, **facts) -> PlannedColumn:
    """A column and what it depends on."""
    return PlannedColumn(name, None if name == RECORDS else Column(name), facts)


def test_stale_columns_say_what_changed():
    """A column with other facts is stale, and says which; new columns, and those nobody asks for now, are not."""
    before = (column(RECORDS, limits={"pixels": 100}), column("a", parameters={"edge": 1}), column("gone", x=1))
    now = (column(RECORDS, limits={"pixels": 100}), column("a", parameters={"edge": 2}), column("new", x=1))
    stale = stale_columns(state_of(*before), scoring_of(*now))
    assert stale == Stale({"a": ["parameters.edge: 1 → 2"]}, asked=True)
    assert not stale_columns(state_of(*before), scoring_of(*before))


def test_sentence_gathers_columns_and_stops_in_time():
    """Columns that changed alike are named together, the records are every column, and three changes are enough."""
    many = [f"p{at}: 1 → 2" for at in range(5)]
    stale = Stale({"a": many, "b": many, RECORDS: ["limits.pixels: 1 → 2"]}, asked=True)
    assert stale.sentence == ("a, b (p0: 1 → 2; p1: 1 → 2; p2: 1 → 2 and 2 more); every column (limits.pixels: 1 → 2)")


@pytest.mark.parametrize(("old", "missing", "refused"), [
    ({"libraries": {"numpy": "1"}}, False, False),
    ({"libraries": {"numpy": "1"}}, True, True),
    ({"libraries": {"numpy": "2"}, "version": 0}, False, True),
])  # fmt: skip
def test_refusals(old, missing, refused):
    """Another library alone is a reason only where new scores would stand beside old ones; a change of ours always."""
    stale = stale_columns(state_of(column("a", **old)), scoring_of(column("a", libraries={"numpy": "2"})))
    assert stale
    if not refused:
        refuse_stale(stale, "run", missing=missing)
        return
    with pytest.raises(StaleScoresError, match=r"^run: stored scores were computed in another way: a \(.*--rescore"):
        refuse_stale(stale, "run", missing=missing)


def test_nothing_stale_is_never_refused():
    """A run whose columns are as they were goes on."""
    refuse_stale(Stale({}, asked=False), "run", missing=True)
