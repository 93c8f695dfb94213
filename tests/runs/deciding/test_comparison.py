"""Comparing the decisions of two runs."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs.tables import decisions, made_run, policy, row

from nemo_curator.errors import InputError
from nemo_curator.runs.deciding import Comparison, Transition, changed_images, compare, decide, ids_of_one
from nemo_curator.runs.layout import RunDirectory


def two(folder, first, second, before, after):
    """Two decided runs."""
    runs = []
    for name, rules, rows in (("one", before, first), ("two", after, second)):
        run, ids = made_run(f"{folder}/{name}" if "://" not in str(folder) else f"{folder}-{name}", rows)
        decide(run, ids, policy(*rules))
        runs.append(run)
    return runs


@pytest.mark.parametrize("root", ["{tmp}", "memory://compared"])
def test_what_changed_and_why(tmp_path, root):
    """Verdicts that changed, with both rules and figures; ids that only one run has; and how many are as before."""
    rows = [row("x", a=1.0), row("y", a=2.0), row("z", a=3.0), row("w", error="e"), row("v", a=2.5)]
    one, other = two(
        root.format(tmp=tmp_path),
        [*rows, row("old")],
        [row("new"), *rows],
        ["a < 1.5"],
        ["a < 0", "a < 2.2", "a > 2.9"],
    )
    assert compare(one, other) == Comparison(
        same=2,
        only_before=1,
        only_after=1,
        transitions=(
            Transition(("keep", None), ("reject", "r1"), 1),
            Transition(("keep", None), ("reject", "r2"), 1),
            Transition(("reject", "r0"), ("reject", "r1"), 1),
        ),
    )
    changed = list(changed_images(one, other))
    assert [one.image_id for one in changed] == ["x", "y", "z"]
    assert (changed[0].before.reason, changed[0].after.reason) == ("a < 1.5", "a < 2.2")
    assert (changed[1].before.verdict, changed[1].after.score, changed[1].after.threshold) == ("keep", 2.0, 2.2)
    assert (list(ids_of_one(one, other)), list(ids_of_one(other, one))) == (["old"], ["new"])


def test_a_run_compared_with_itself(tmp_path):
    """Nothing changes; a run without a row compares too."""
    one, other = two(tmp_path, [row("x", a=1.0)], [], ["a < 2"], [])
    assert compare(one, one) == Comparison(1, 0, 0, ())
    assert compare(other, other) == Comparison(0, 0, 0, ())
    assert compare(one, other) == Comparison(0, 1, 0, ())
    assert list(changed_images(one, one)) == []


def test_changed_images_may_be_left_early(tmp_path):
    """Whoever wants a few takes a few; temporary files go when the iterator does."""
    one, other = two(tmp_path, rows := [row(f"{at:05}", a=0.0) for at in range(5000)], rows, ["a < 1"], [])
    images = changed_images(one, other)
    assert [next(images).image_id for _ in range(3)] == ["00000", "00001", "00002"]
    images.close()


def test_undecided_and_torn(tmp_path):
    """A run without decisions, or with torn ones, is named."""
    one, other = two(tmp_path, [row("x")], [row("x")], [], [])
    with pytest.raises(InputError, match="this run is not decided; decide it first") as caught:
        compare(one, RunDirectory(str(tmp_path / "nowhere")))
    assert caught.value.where == str(tmp_path / "nowhere")
    Path(other.decisions).write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read") as caught:
        compare(one, other)
    assert caught.value.where == other.decisions


ROWS = st.dictionaries(st.sampled_from("abcdefgh"), st.none() | st.integers(0, 3), max_size=8)


@settings(max_examples=12)
@given(first=ROWS, second=ROWS)
def test_numbers_add_up(first, second):
    """Every image of either run is in exactly one of the numbers, and they agree with the rows."""
    with tempfile.TemporaryDirectory() as folder:
        tables = [[row(name, b=value) for name, value in sorted(rows.items())] for rows in (first, second)]
        runs = two(folder, *tables, ["b < 1", "b > 2"], ["b < 1", "b > 1"])
        found = compare(*runs)
        changed = list(changed_images(*runs))
        before, after = ({one["image_id"]: one for one in decisions(run)} for run in runs)
    both = before.keys() & after.keys()
    assert (found.only_before, found.only_after) == (len(before) - len(both), len(after) - len(both))
    assert found.same + found.changed == len(both)
    ways = Counter(
        ((before[name]["verdict"], before[name]["rule"]), (after[name]["verdict"], after[name]["rule"]))
        for name in both
    )
    assert {(one.before, one.after): one.images for one in found.transitions} == {
        way: number for way, number in ways.items() if way[0] != way[1]
    }
    assert [one.image_id for one in changed] == [
        name
        for name in before
        if name in both
        and (before[name]["verdict"], before[name]["rule"]) != (after[name]["verdict"], after[name]["rule"])
    ]
