"""Heads of directions: never less than the cosine, and what they rule out changes no pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.vectors import as_mapping, clustered, reference_pairs

from nemo_curator.kernels import similar
from nemo_curator.kernels.cell_heads import CellHeads, HeadedRows, heads_by_cell
from nemo_curator.kernels.cells import into_cells
from nemo_curator.kernels.directions import directions
from nemo_curator.kernels.pair_search import SearchSettings, cells_of, search_between, search_within
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.kernels.similar import margin, pairs_between, similar_pairs

LEAST = 0.95
HEADS = ("firsts", "rests", "scales")


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(2, 70), st.integers(0, 999), st.data())
def test_the_product_of_two_heads_is_never_less_than_that_of_the_rows(count, dimension, seed, data):
    """Whatever the length of the head, up to the rounding that the search allows for."""
    head = data.draw(st.integers(2, dimension))
    rows = directions(clustered(count, dimension, seed=seed) * np.float32(data.draw(st.sampled_from([1e-3, 1, 300]))))
    whole, heads = rows.unit(), rows.heads(head)
    assert heads.shape == (count, head)
    assert (heads @ heads.T >= whole @ whole.T - margin(dimension)).all()
    assert np.allclose((heads.astype(np.float64) ** 2).sum(axis=1), 1, atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_heads_of_rows_without_a_direction_are_zeros():
    """Zeros, NaN and infinity in the head or in the rest: neither warns, and nothing is near to them."""
    rows = clustered(8, 32)
    rows[1], rows[2, 0], rows[3, 31], rows[4, 5], rows[5, 30] = 0, np.nan, np.nan, np.inf, -np.inf
    some = directions(rows)
    for found in (some.unit(), some.heads(8)):
        assert not found[1:6].any()
        assert found[[0, 6, 7]].any(axis=1).all()


def test_some_directions_are_those_of_their_rows():
    """However they are picked, and whether or not heads were computed before."""
    rows = clustered(50, 24)
    every = directions(rows)
    for which in (np.array([7, 3, 3, 40]), slice(10, 20), slice(5, 5)):
        for some in (every.of(which), every.with_heads(6).of(which), every.of(slice(0, 9)).with_heads(6).of(which)):
            assert len(some) == len(rows[which])
            assert (some.unit() == every.unit()[which]).all()
            assert (some.heads(6) == every.heads(6)[which]).all()
            assert (some.heads(9) == every.heads(9)[which]).all()
            assert (some.take(np.arange(len(some))) == rows[which]).all()
    assert len(every.spread(10)) == 10
    assert not np.isin(every.spread(10).which, every.spread(10, between=True).which).any()


def tried(monkeypatch):
    """The lengths of heads that a search tries out and takes, as a list that fills up."""
    taken = []
    head = similar._head  # noqa: SLF001 (whether heads are used at all is a private decision)

    def noted(*given):
        taken.append(head(*given))
        return taken[-1]

    monkeypatch.setattr(similar, "_head", noted)
    return taken


@pytest.mark.parametrize(("least", "expected"), [(LEAST, 64), (0.85, 128), (0.2, 0)])
def test_heads_change_no_pair(monkeypatch, least, expected):
    """Where they rule out enough they are used, and the pairs and cosines are those of the definition all the same."""
    taken = tried(monkeypatch)
    random = np.random.default_rng(4)
    centres = random.standard_normal((3, 256))
    rows = (centres[random.integers(3, size=700)] + random.standard_normal((700, 256))).astype(np.float16)
    rows[300:400] = rows[:100] + (0.05 * random.standard_normal((100, 256))).astype(np.float16)
    rows[500], rows[501] = 0, np.nan
    found = as_mapping(similar_pairs(ArrayRows([rows]), least))
    assert taken == [expected]
    good = [at for at in range(700) if at not in (500, 501)]
    wanted = {(good[a], good[b]): cosine for (a, b), cosine in reference_pairs(rows[good], least).items()}
    assert len(found) >= 100
    assert found == pytest.approx(wanted, abs=1e-12)
    between = as_mapping(pairs_between(ArrayRows([rows[:300]]), ArrayRows([rows[300:]]), least))
    assert between == {(one, other - 300): cosine for (one, other), cosine in found.items() if one < 300 <= other}


def test_cells_with_heads_find_what_they_find_without(monkeypatch):
    """Within a set and between two, in pieces of any size: the same pairs whether heads are used or not."""
    rows = clustered(3000, 64, dtype=np.float16)
    new = ArrayRows([np.concatenate([rows[:60], clustered(60, 64, seed=9, dtype=np.float16)])])
    old = ArrayRows([rows])

    def found(memory):
        some = SearchSettings(exact_rows=60, sample=50, memory=memory, threads=2)
        return [
            as_mapping(search.pairs(lambda *_: None))
            for search in (search_within(old, LEAST, some), search_between(new, old, LEAST, settings=some))
        ]

    monkeypatch.setattr(similar, "_WORTH", 1)
    with_heads = [found(memory) for memory in (1, 200_000, 50_000_000)]
    monkeypatch.setattr(similar, "SHORTEST", 1000)
    without = found(50_000_000)
    assert all(len(one) > 50 for one in without)
    assert with_heads == [without] * 3


class Noted(ArrayRows):
    """Rows that note which of them are read by their numbers."""

    def __init__(self, parts):
        super().__init__(parts)
        self.taken = []

    def take(self, indices):
        """The rows, which are noted."""
        self.taken.extend(np.asarray(indices).tolist())
        return super().take(indices)


def stored(rows, cells, count):
    """The cells with the heads of their rows, as a run stores them."""
    pieces = list(heads_by_cell(rows, cells.order, count))
    return replace(cells, heads=CellHeads(*(np.concatenate([getattr(one, name) for one in pieces]) for name in HEADS)))


@pytest.mark.parametrize("least", [LEAST, 0.85, 0.7])
def test_stored_heads_find_what_is_found_without(monkeypatch, least):
    """In pieces of any size; where they rule out enough, of the rows in cells only those are read that they leave."""
    monkeypatch.setattr(similar, "_WORTH", 1)
    monkeypatch.setattr(similar, "_LEFT", 0.1)  # of cells this small, one pair is a large share
    rows = clustered(3000, 64, clusters=300, dtype=np.float16)
    new = ArrayRows([np.concatenate([rows[:60], clustered(60, 64, seed=9, dtype=np.float16)])])
    old = Noted([rows])
    some = SearchSettings(exact_rows=60, sample=50, threads=2, target=0.9)
    cells = cells_of(old, some)
    without = as_mapping(search_between(new, old, least, cells, some).pairs(lambda *_: None))
    assert len(without) >= 60
    for memory in (1, 200_000, 50_000_000):
        search = search_between(new, old, least, stored(old, cells, 16), replace(some, memory=memory))
        assert search.recall is not None
        old.taken.clear()
        assert as_mapping(search.pairs(lambda *_: None)) == without
    if least == LEAST:
        assert {right for _, right in without} <= set(old.taken)
        assert len(old.taken) < len(rows) // 2


def test_headed_rows_are_those_of_their_rows():
    """Whatever part of them is asked for: as `Directions` gives them, and none is read while heads are enough."""
    rows = Noted([clustered(50, 64, dtype=np.float16)])
    every, numbers = directions(rows.block(0, 50)), np.random.default_rng(1).permutation(50)
    heads = stored(rows, into_cells(np.eye(1, 64, dtype=np.float32), np.zeros(50, np.int32)), 16).heads
    rows.taken.clear()
    assert heads.fit(50, 16)
    assert not heads.fit(49, 16)
    assert not heads.fit(50, 17)
    assert (heads.block(0, 50) == every.heads(16)).all()
    headed = HeadedRows.of_block(rows, numbers, every.heads(16)[numbers])
    for which in (slice(None), slice(3, 20), slice(5, 5), np.array([4, 1])):
        some, same = headed.of(which), every.of(numbers[which])
        assert len(some) == len(same)
        assert (some.heads(16) == same.heads(16)).all()
        assert (some.spread(4).heads(16) == same.spread(4).heads(16)).all()
        assert (some.spread(4, between=True).heads(16) == same.spread(4, between=True).heads(16)).all()
    assert rows.taken == []
    assert (headed.of(slice(3, 9)).take(np.array([2, 0])) == every.rows[numbers[[5, 3]]]).all()
    assert rows.taken == numbers[[5, 3]].tolist()
    assert (headed.of(slice(3, 9)).unit() == every.unit()[numbers[3:9]]).all()
    assert (headed.of(slice(3, 9)).heads(32) == every.heads(32)[numbers[3:9]]).all()
