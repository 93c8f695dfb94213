"""Which of many look-alikes stay: as a plain reference says, whatever the order of what is given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_curator.kernels.resolution import Kind, Links, resolve


def links_of(pairs, size=3):
    """Links as a kind gives them, a few a block."""
    blocks = [pairs[at : at + size] for at in range(0, len(pairs), size)]

    def given_again():
        for block in blocks:
            left, right, distance = zip(*block, strict=True)
            yield Links(np.array(left), np.array(right), np.array(distance, float))

    return given_again


def kinds_of(made, size=3):
    """Kinds of lists of codes and lists of (code, code, distance)."""
    return [Kind(np.array(codes, np.int64), links_of(pairs, size)) for codes, pairs in made]


def distances(made, one, other):
    """(kind, distance) of every kind that links two items."""
    for number, (codes, pairs) in enumerate(made):
        if codes[one] < 0 or codes[other] < 0:
            continue
        if codes[one] == codes[other]:
            yield number, 0.0
        for left, right, distance in pairs:
            if left != right and {left, right} == {codes[one], codes[other]}:
                yield number, distance


def naive(fixed, made):
    """The same in O(N²): (kept item, kind, distance) of each item, None where it is kept."""
    order = sorted(range(len(fixed)), key=lambda item: not fixed[item])
    kept = []
    for item in order:
        if fixed[item] or not any(list(distances(made, item, other)) for other in kept):
            kept.append(item)
    found = {}
    for item in order:
        if item not in kept:
            near = [(*how, kept.index(other)) for other in kept for how in distances(made, item, other)]
            kind, distance, place = min(near)
            found[item] = (kept[place], kind, distance)
    return [found.get(item) for item in range(len(fixed))]


def told(resolution):
    """A resolution as `naive` says it."""
    rows = zip(*(column.tolist() for column in resolution), strict=True)
    return [None if kept < 0 else (kept, kind, distance) for kept, kind, distance in rows]


@st.composite
def cases(draw):
    """(fixed, kinds) of a few items with codes, some none, and links between codes that need not be there."""
    count = draw(st.integers(1, 9))
    fixed = draw(st.lists(st.sampled_from([False, False, False, True]), min_size=count, max_size=count))
    made = []
    for _ in range(draw(st.integers(0, 3))):
        codes = draw(st.lists(st.integers(-1, 8), min_size=count, max_size=count))
        ends = st.tuples(st.integers(0, 10), st.integers(0, 10)).map(lambda ends: (min(ends), max(ends)))
        pairs = draw(st.dictionaries(ends, st.sampled_from([0.0, 1.0, 2.0, 2.5]), max_size=14))
        made.append((codes, [(left, right, distance) for (left, right), distance in pairs.items()]))
    return fixed, made


@settings(max_examples=400)
@given(case=cases(), size=st.integers(1, 5))
def test_as_the_plain_reference(case, size):
    """Kept items, and for each duplicate the item, kind and distance, are those of comparing each with each."""
    fixed, made = case
    assert told(resolve(np.array(fixed), kinds_of(made, size))) == naive(fixed, made)


@settings(max_examples=200)
@given(case=cases())
def test_what_is_kept_is_apart(case):
    """A duplicate names a kept item; no two kept items are linked unless both are fixed; a fixed item is kept."""
    fixed, made = case
    found = told(resolve(np.array(fixed), kinds_of(made)))
    kept = [item for item, one in enumerate(found) if one is None]
    assert {one[0] for one in found if one} <= set(kept)
    assert {item for item, one in enumerate(fixed) if one} <= set(kept)
    for place, one in enumerate(kept):
        for other in kept[place + 1 :]:
            assert (fixed[one] and fixed[other]) or not list(distances(made, one, other))


@settings(max_examples=200)
@given(case=cases(), data=st.data())
def test_no_order_counts_but_preference(case, data):
    """Pairs in another order, turned around, cut otherwise, and codes of other names change nothing."""
    fixed, made = case
    names = data.draw(st.permutations(range(11)))
    other = []
    for codes, pairs in made:
        mixed = data.draw(st.permutations(pairs))
        turned = [(names[right], names[left], distance) for left, right, distance in mixed]
        other.append(([code if code < 0 else names[code] for code in codes], turned))
    expected = told(resolve(np.array(fixed), kinds_of(made)))
    assert told(resolve(np.array(fixed), kinds_of(other, data.draw(st.integers(1, 4))))) == expected


def test_a_chain_removes_no_more_than_it_must():
    """Of a chain a-b-c where a and c are no match, b alone is removed when a comes first; a and c when b does."""
    chain = [(0, 1, 1.0), (1, 2, 2.0)]
    assert told(resolve(np.zeros(3, bool), kinds_of([([0, 1, 2], chain)]))) == [None, (0, 0, 1.0), None]
    assert told(resolve(np.zeros(3, bool), kinds_of([([1, 0, 2], chain)]))) == [None, (0, 0, 1.0), (0, 0, 2.0)]


def test_a_later_item_that_is_nearer_is_named():
    """A duplicate names the nearest of all kept items, also of those that come after it."""
    pairs = [(0, 1, 3.0), (1, 2, 1.0)]
    assert told(resolve(np.zeros(3, bool), kinds_of([([0, 1, 2], pairs)]))) == [None, (2, 0, 1.0), None]


def test_the_first_kind_names():
    """Equal in the first kind counts more than nearer in the second."""
    fixed = np.array([True, True, False])
    made = [([7, -1, 3], [(3, 7, 9.0)]), ([-1, 5, 5], [])]
    assert told(resolve(fixed, kinds_of(made)))[2] == (0, 0, 9.0)


@pytest.mark.parametrize("count", [0, 1, 200_000])
def test_a_large_clique_is_no_work(count):
    """Many equal items, linked to one other, resolve into the first of them."""
    found = resolve(np.zeros(count, bool), kinds_of([(np.zeros(count, np.int64), [(0, 1, 1.0)])]))
    assert (found.duplicate_of[1:] == 0).all()
    assert (found.duplicate_of[:1] == -1).all()
