"""How many cells are looked into, and what is said of it: true where pairs are few, and the same for any question."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from tests.kernels.vectors import as_mapping, clustered, planted

from nemo_curator.kernels import pair_search
from nemo_curator.kernels.cell_recall import bands_up_to, lower_bound
from nemo_curator.kernels.made_pairs import made_pairs
from nemo_curator.kernels.pair_search import SearchSettings, cells_of, search_between, search_within
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.kernels.similar import pairs_between, similar_pairs

CELLS = SearchSettings(exact_rows=100)


def found_by(search):
    """The pairs of a search, with their cosines."""
    return as_mapping(search.pairs(lambda *_: None))


@pytest.mark.parametrize("far", [0.05, 0.2])
def test_few_pairs_are_found_all_the_same(far):
    """Where sampled rows have few pairs, many cells are looked into; the bound that is told is below the true share."""
    rows = ArrayRows([planted(8000, 60, far)])
    search = search_within(rows, 1 - far, CELLS)
    everything = as_mapping(similar_pairs(rows, 1 - far))
    found = found_by(search)
    assert found.items() <= everything.items()
    assert search.recall.at_least <= len(found) / len(everything)
    assert len(found) / len(everything) >= 0.98
    assert 0 < search.recall.pairs < 2 * len(everything)  # the rows that decided are not those it is measured on
    assert search.recall.at_least < 0.97  # whatever they say, so few prove no more


def test_what_is_near_is_the_same_for_any_question():
    """The pairs up to a distance are those that a search up to a larger one gives, to the last bit."""
    rows = ArrayRows([np.concatenate([planted(2500, 400, 0.05), planted(1500, 600, 0.2, seed=1)])])
    searches = {far: search_within(rows, 1 - far, CELLS) for far in (0.04, 0.05, 0.1, 0.2)}
    found = {far: found_by(search) for far, search in searches.items()}
    assert searches[0.05].recall.probes < searches[0.2].recall.probes
    assert set(found[0.05]) < set(found[0.2])
    for far, pairs in found.items():
        assert pairs
        for wider in (found[one] for one in found if one > far):
            assert {pair: cosine for pair, cosine in wider.items() if 1 - cosine <= far} == pairs


def test_new_rows_have_the_same_pairs_for_any_question():
    """So it is between two sets of rows."""
    data = planted(6000, 1500, 0.2)
    new, old = ArrayRows([data[:1500]]), ArrayRows([data[1500:]])
    cells = cells_of(old)
    near, far = (found_by(search_between(new, old, 1 - bound, cells, CELLS)) for bound in (0.12, 0.2))
    assert {pair for pair, cosine in far.items() if 1 - cosine <= 0.12} == set(near)
    everything = as_mapping(pairs_between(new, old, 0.8))
    assert set(far) <= set(everything)
    assert len(far) / len(everything) >= 0.98


def test_the_share_is_that_of_the_rows_it_names():
    """Of rows that had no part in the decision, and pairs whose other end had none."""
    rows = ArrayRows([clustered(3000, 24)])
    search = search_within(rows, 0.95, SearchSettings(exact_rows=100, target=0.9))
    found, everything = found_by(search), as_mapping(similar_pairs(rows, 0.95))
    assert search.recall.share == pytest.approx(len(found) / len(everything), abs=0.03)
    assert search.recall.at_least < search.recall.share
    assert search.recall.rows <= 2000  # a thousand decided
    less = search_within(rows, 0.95, SearchSettings(exact_rows=100, target=0.0))
    assert less.recall.probes == 2


def test_many_pairs_take_no_memory():
    """Rows that are all alike are searched, and measured, in blocks: far less than their pairs would take."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((1, 32)) + 0.55 * random.standard_normal((3000, 32))
    settings = SearchSettings(exact_rows=100, memory=4_000_000)
    tracemalloc.start()
    try:
        search = search_within(ArrayRows([rows.astype(np.float16)]), 0.7, settings)
        pairs = sum(len(one) for one in search.pairs(lambda *_: None))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pairs > 2_000_000
    assert peak < 120_000_000  # most of it to compute cosines once more; all pairs and their probes took a gigabyte


def test_what_cells_do_not_find_is_compared():
    """Rows that cells do not tell apart are all compared, and so is what is far apart; then nothing is measured."""
    rows = ArrayRows([planted(600, 200, 0.3, 256)])
    for least in (0.7, 0.5):
        search = search_within(rows, least, SearchSettings(exact_rows=100, target=1.0))
        assert search.cells is None
        assert found_by(search).keys() >= as_mapping(similar_pairs(rows, 0.8)).keys()
    assert search.recall is None


def test_no_more_cells_than_fit(monkeypatch):
    """Where so many probes would take too much memory there are as many as do, and the lower share is told."""
    rows = ArrayRows([planted(3000, 800, 0.3)])
    monkeypatch.setattr(pair_search, "_MOST_PROBED", 4000)
    search = search_within(rows, 0.7, CELLS)
    assert search.recall.probes == 8
    share = len(found_by(search)) / len(as_mapping(similar_pairs(rows, 0.7)))
    assert search.recall.share == pytest.approx(share, abs=0.05)
    assert search.recall.at_least < share < 1


@pytest.mark.parametrize(
    ("share", "number", "bound"),
    [(1.0, 30, 0.9049), (0.9, 10, 0.6058), (0.0, 5, 0.0), (1.0, 1, 0.05), (0.995, 400, 0.9849)],
)
def test_the_lower_bound_is_that_of_the_binomial(share, number, bound):
    """Bounds of a table of Clopper and Pearson, cut off after four digits."""
    assert lower_bound(share, number) == pytest.approx(bound, abs=0.0016)
    assert lower_bound(share, number) <= share


def test_bands():
    """A search needs the bands up to its distance; a rounding more is no further band."""
    assert [[band.far for band in bands_up_to(least)] for least in (0.99, 0.95, 0.95 - 1e-12, 0.94)] == [
        [np.inf],
        [np.inf],
        [np.inf],
        [0.05, np.inf],
    ]
    assert bands_up_to(0.5) is None


def test_made_pairs_are_as_far_apart_as_asked():
    """Each is at the distance, of unit length; equal rows make none."""
    rows = ArrayRows([clustered(900, 24)])
    one, other = made_pairs(rows, rows, 0.1, 42)
    assert len(one) == len(other) == 180
    assert (one * other).sum(axis=1) == pytest.approx(0.9, abs=1e-5)
    same = ArrayRows([np.ones((50, 4), np.float32)])
    assert len(made_pairs(same, same, 0.1, 42)[0]) == 0
    none = ArrayRows([np.zeros((50, 4), np.float32)])
    assert len(made_pairs(none, none, 0.1, 42)[0]) == 0
