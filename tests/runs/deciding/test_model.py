"""Decisions agree with plain Python, for any rows and any policy, however rows are cut into partitions."""

from __future__ import annotations

import math
import tempfile
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.deciding.model import RULES, side, verdicts
from tests.runs.tables import decided, decisions, listed, made_run, policy, row

from nemo_curator.runs.deciding import Sample, Split, decide

VALUES = st.none() | st.sampled_from([0.0, 1.0, 1.5, -3.0, math.inf, -math.inf]) | st.floats(-9, 9)
RECORDS = st.fixed_dictionaries(
    {
        "a": VALUES,
        "b": st.none() | st.integers(-5, 5),
        "flag": st.none() | st.booleans(),
        "word": st.none() | st.sampled_from(["x", "y", "z"]),
        "sha256": st.none() | st.sampled_from("pqrstu"),
        "error": st.sampled_from([None, None, None, None, "decode_failed"]),
    }
)
NAMES = st.lists(st.text("abc/é😀_'", min_size=1, max_size=6), min_size=1, max_size=20, unique=True)


@st.composite
def tables(draw):
    """Rows with ids of their own, in any order."""
    return [row(name, **draw(RECORDS)) for name in draw(NAMES)]


def cut(rows, places):
    """The same rows in the same order, in partitions."""
    bounds = [0, *sorted(place % (len(rows) + 1) for place in places), len(rows)]
    return [rows[start:stop] for start, stop in pairwise(bounds)]


@settings(max_examples=30)
@given(
    data=st.data(), rows=tables(), places=st.lists(st.integers(0, 30), max_size=3), threads=st.sampled_from([1, 2, 4])
)
def test_as_plain_python_decides(data, rows, places, threads):
    """Lists, rules in order, quantiles, ranks, duplicates and samples: verdict, rule, representative, undecided."""
    names = [one["image_id"] for one in rows]
    some = st.sets(st.sampled_from([*names, "of another run"]), max_size=6)
    rules = data.draw(st.lists(st.sampled_from(list(RULES)), max_size=4))
    allow, deny = data.draw(some), data.draw(some)
    prefer = data.draw(st.sampled_from([None, "b"]))
    duplicates = data.draw(st.booleans())
    sample = data.draw(
        st.none() | st.tuples(st.integers(0, 22), st.integers(0, 3), st.sampled_from([None, "word", "b"]))
    )
    with tempfile.TemporaryDirectory() as folder:
        how = policy(
            *rules,
            prefer=prefer,
            duplicate_bytes=duplicates,
            allow=listed(folder, *allow, name="allow.txt"),
            deny=listed(folder, *deny, name="deny.txt"),
            sample=Sample(n=sample[0], seed=sample[1], by=sample[2]) if sample else None,
        )
        run, ids = made_run(folder, *cut(rows, places))
        funnel = decide(run, ids, how, threads=threads)
        found = decisions(run)
    expected = verdicts(rows, rules, allow=allow, deny=deny, prefer=prefer, duplicates=duplicates, sample=sample)
    assert [one["image_id"] for one in found] == names
    assert {
        one["image_id"]: (one["verdict"], one["rule"], one["duplicate_of"], one["undecided"]) for one in found
    } == expected
    _check_funnel(funnel, found, [*allow], [*deny])
    _check_chosen(found, sample)


def _check_funnel(funnel, found, allow, deny):
    """The funnel says in numbers what the rows say."""

    def number(verdict, rule=None):
        return sum(one["verdict"] == verdict and rule in (None, one["rule"]) for one in found)

    assert funnel.inputs == len(found)
    assert funnel.kept == number("keep")
    assert funnel.duplicates == number("duplicate")
    assert sum(funnel.quarantined.values()) == number("quarantine")
    assert funnel.rejected == {rule: number("reject", rule) for rule in funnel.rejected}
    assert sum(funnel.rejected.values()) == number("reject")
    undecided = [rule for one in found for rule in one["undecided"] or ()]
    assert funnel.undecided == {rule: undecided.count(rule) for rule in dict.fromkeys(undecided)}
    unlisted = {"allow": "of another run" in allow, "deny": "of another run" in deny}
    assert funnel.unlisted == {which: 1 for which, missing in unlisted.items() if missing}


def _check_chosen(found, sample):
    """A duplicate names an image that is kept; a sample has exactly its size, where there are as many."""
    kept = {one["image_id"] for one in found if one["verdict"] == "keep"}
    assert {one["duplicate_of"] for one in found if one["verdict"] == "duplicate"} <= kept
    if sample:
        outside = sum(one["rule"] == "sample" and not one["reason"].startswith("its bytes") for one in found)
        assert len(kept) == min(sample[0], len(kept) + outside)


@settings(max_examples=20)
@given(rows=tables(), small=st.integers(0, 20), more=st.integers(0, 20), seed=st.integers(-(2**63), 2**63))
def test_a_larger_sample_contains_the_smaller(rows, small, more, seed):
    """Of one seed, what a sample keeps is kept by every larger one."""
    with tempfile.TemporaryDirectory() as folder:
        run, ids = made_run(folder, rows)
        kept = []
        for size in (small, small + more):
            decide(run, ids, policy(sample=Sample(n=size, seed=seed)))
            kept.append({one["image_id"] for one in decisions(run) if one["verdict"] == "keep"})
    assert kept[0] <= kept[1]


SHARES = st.sampled_from(
    [
        [("train", 0.95), ("val", 0.05)],
        [("train", 0.0), ("val", 1.0)],
        [("a", 0.3), ("b", 0.0), ("c", 0.7)],
        [("a", 0.333333), ("b", 0.333333), ("c", 0.333334)],
        [("all", 1.0)],
        [("a", 1.0), ("nobody", 0.0)],
    ]
)


@settings(max_examples=18)
@given(
    rows=tables(), shares=SHARES, seed=st.integers(0, 5), by=st.sampled_from([None, "word", "b"]), first=st.integers(0)
)
def test_splits(rows, shares, seed, by, first):
    """A side is a function of the key and the seed: it stays when rows come, and equal bytes are on one side."""
    how = policy(split=Split(tuple(shares), seed, by), duplicate_bytes=False)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        found, funnel = decided(folder, how, rows)
        fewer, _ = decided(other, how, rows[: first % (len(rows) + 1)])
    by_id = {one["image_id"]: one for one in rows}
    for one in found:
        source = by_id[one["image_id"]]
        key = source[by] if by else source["sha256"]
        expected = side(shares, seed, str(one["image_id"] if key is None else key))
        assert one["split"] == (expected if one["verdict"] == "keep" else None)
    assert fewer == found[: len(fewer)]
    sides = [one["split"] for one in found]
    assert funnel.splits == {name: sides.count(name) for name, _ in shares}
