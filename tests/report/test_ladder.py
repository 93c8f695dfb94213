"""Values in order: any threshold is counted exactly, and any piece of the order is the right one."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.report.serving.keeping import Kept
from nemo_curator.report.serving.ladder import Ladder, Split
from nemo_curator.report.serving.orders import Wanted, positions_wanted
from nemo_curator.report.spreads import Values

numbers = st.lists(
    st.tuples(st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 1e300, math.inf, -math.inf, math.nan]), st.booleans()),
    max_size=40,
)
thresholds = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 1.5, 1.75, 2.0, 1e300])


def larger(value):
    """A key by which NaN is the largest number, as DuckDB has it."""
    return (math.isnan(value), 0.0 if math.isnan(value) else value)


def ladder_of(found):
    """A ladder of values and whether each image is kept, whose positions are those in the list, in some other order."""
    order = np.random.default_rng(0).permutation(len(found))
    values = np.array([found[at][0] for at in order], np.float64)
    kept = np.array([found[at][1] for at in order], np.bool_)
    return Ladder.of(Values(values, order.astype(np.int64), kept, 0, 0))


@given(numbers, thresholds)
def test_thresholds_are_counted(found, value):
    """As by looking at each value."""
    below = [kept for one, kept in found if larger(one) < larger(value)]
    upto = [kept for one, kept in found if larger(one) <= larger(value)]
    assert ladder_of(found).split(value) == Split(len(below), len(upto), sum(below), sum(upto))


@given(numbers, thresholds, st.integers(1, 9))
def test_the_nearest_are_found(found, value, most):
    """Nearest first on either side, equals in source order."""
    below = [at for at, (one, _) in enumerate(found) if larger(one) < larger(value)]
    above = [at for at, (one, _) in enumerate(found) if larger(one) >= larger(value)]
    below.sort(key=lambda at: -found[at][0])
    above.sort(key=lambda at: larger(found[at][0]))
    assert ladder_of(found).near(value, most) == (below[:most], above[:most])


@given(numbers, st.booleans())
def test_the_order_keeps_equals_in_source_order(found, descending):
    """From either end; what is no number is left out."""
    known = [at for at, (one, _) in enumerate(found) if not math.isnan(one)]
    known.sort(key=lambda at: -found[at][0] if descending else found[at][0])
    assert ladder_of(found).ordered(descending=descending).tolist() == known


@given(numbers, st.booleans(), st.sets(st.integers(0, 2)), st.booleans())
def test_a_gallery_has_every_image_once(found, descending, groups, by_words):
    """Those of its groups that are readable and hold the words; sorted, those without a value last."""
    count = len(found) + 3  # the last ones have no value
    readable = np.arange(count) % 5 != 4
    of_group = (np.arange(count) % 3).astype(np.uint16)
    held = np.arange(0, count, 2)
    wanted = Wanted(tuple(sorted(groups)), ("word",) if by_words else (), 0, descending)
    positions = positions_wanted(
        wanted, readable=readable, numbers=of_group, found=lambda: held, ladder=lambda _: ladder_of(found)
    ).tolist()
    chosen = [at for at in range(count) if readable[at] and of_group[at] in groups and (not by_words or at in held)]
    assert sorted(positions) == chosen
    known = [at for at in positions if at < len(found) and not math.isnan(found[at][0])]
    assert positions[: len(known)] == known
    values = [found[at][0] for at in known]
    assert values == sorted(values, reverse=descending)


def test_what_is_kept_has_a_bound():
    """The least recently used goes first, and the last one stays whatever it has."""
    kept = Kept(10, len)
    for key in "abc":
        kept.put(key, key * 4)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (None, "bbbb", "cccc")
    kept.get("b")
    kept.put("d", "dddd")
    assert (kept.get("c"), kept.get("b")) == (None, "bbbb")
    kept.put("b", "b" * 50)
    assert (len(kept), kept.made("b", dict)) == (1, "b" * 50)
