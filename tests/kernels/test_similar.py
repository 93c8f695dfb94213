"""Pairs of similar rows: exactly those of the definition, or nearly all of them in cells, with the share measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.vectors import as_mapping, clustered, reference_pairs

from nemo_curator.kernels.cell_search import pairs_in_cells
from nemo_curator.kernels.cells import find_centroids, into_cells, number_of_cells, probe
from nemo_curator.kernels.nearest import exact_cosines
from nemo_curator.kernels.pair_search import SearchSettings, cells_of, search_between, search_within
from nemo_curator.kernels.rows import ArrayRows
from nemo_curator.kernels.similar import block_side, pairs_between, similar_pairs

LEAST = 0.95


@settings(max_examples=40)
@given(st.integers(1, 120), st.sampled_from([2, 3, 17, 64]), st.floats(-0.2, 0.999), st.integers(0, 2**32 - 1))
def test_exact_pairs_are_those_of_the_definition(count, dimension, least, seed):
    """Whatever the shape and the bound, each pair once, smaller number first, with its cosine."""
    rows = clustered(count, dimension, seed=seed % 1000, dtype=np.float16)
    found = as_mapping(similar_pairs(ArrayRows([rows]), least, memory=1))
    expected = reference_pairs(rows, least)
    sure = {pair for pair, cosine in expected.items() if cosine > least + 1e-12}
    assert sure <= set(found) <= set(reference_pairs(rows, least - 1e-12))
    assert all(cosine == pytest.approx(expected.get(pair, least), abs=1e-12) for pair, cosine in found.items())


def test_pairs_do_not_depend_on_blocks_or_threads():
    """The same pairs with the same bits, whatever memory and threads there are, and however the rows are stored."""
    rows = clustered(900, 48, dtype=np.float16)
    whole = as_mapping(similar_pairs(ArrayRows([rows]), LEAST))
    assert len(whole) > 50
    assert as_mapping(similar_pairs(ArrayRows([rows]), LEAST, memory=100_000)) == whole
    assert as_mapping(similar_pairs(ArrayRows([rows]), LEAST, memory=1, threads=3)) == whole
    parts = ArrayRows([rows[:10], rows[10:500].astype(np.float32), rows[500:]])
    assert as_mapping(similar_pairs(parts, LEAST, memory=200_000)) == whole


def test_a_pair_at_the_bound_counts():
    """The bound is inclusive, and told by the exact cosine."""
    rows = clustered(60, 33)
    found = as_mapping(similar_pairs(ArrayRows([rows]), 0.8))
    pair, cosine = min(found.items(), key=lambda one: one[1])
    assert pair in as_mapping(similar_pairs(ArrayRows([rows]), cosine))
    assert pair not in as_mapping(similar_pairs(ArrayRows([rows]), np.nextafter(cosine, 2)))
    assert (
        cosine == exact_cosines(rows[[pair[0]]], rows[pair[1]])[0] == exact_cosines(rows[[pair[1]]], rows[pair[0]])[0]
    )


def test_cosines_of_pairs_are_those_of_one_query():
    """Both forms of the exact cosine give the same bits."""
    rows = clustered(200, 77, dtype=np.float16)
    each = exact_cosines(rows[:-1], rows[1:].astype(np.float32))
    assert [exact_cosines(rows[at : at + 1], rows[at + 1].astype(np.float32))[0] for at in range(199)] == each.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_without_a_direction_are_in_no_pair(dtype):
    """Zeros, NaN, infinity: not even with themselves, in whatever precision they are stored."""
    rows = clustered(20, 8).astype(dtype)
    rows[[3, 4]] = 0
    rows[[5, 6]] = np.nan
    rows[[7, 8], 2] = np.inf
    odd = set(range(3, 9))
    for found in (
        as_mapping(similar_pairs(ArrayRows([rows]), -1.0)),
        as_mapping(search_within(ArrayRows([rows]), -1.0, SearchSettings(exact_rows=1)).pairs(lambda *_: None)),
    ):
        assert not odd & {row for pair in found for row in pair}
    assert len(as_mapping(similar_pairs(ArrayRows([rows]), -1.0))) == 14 * 13 / 2


def test_rows_need_not_be_of_unit_length():
    """Only directions count, in both ways to search."""
    rows = clustered(600, 24)
    longer = rows * np.random.default_rng(1).uniform(0.01, 100, (600, 1)).astype(np.float32)
    expected = set(reference_pairs(longer, LEAST))
    assert set(as_mapping(similar_pairs(ArrayRows([longer]), LEAST))) == expected
    cells = search_within(ArrayRows([longer]), LEAST, SearchSettings(exact_rows=1, target=1.0))
    assert set(as_mapping(cells.pairs(lambda *_: None))) == expected


def test_pairs_of_two_sets():
    """Numbers are those of each set, and no pair is inside of one."""
    rows = clustered(700, 24)
    left, right = rows[:200], rows[200:]
    expected = {(one, two - 200) for one, two in reference_pairs(rows, LEAST) if one < 200 <= two}
    assert len(expected) > 20
    assert set(as_mapping(pairs_between(ArrayRows([left]), ArrayRows([right]), LEAST, memory=50_000))) == expected
    assert list(pairs_between(ArrayRows([left[:0]]), ArrayRows([right]), LEAST)) == []


def test_cells_find_what_their_probes_reach():
    """Exactly the pairs of which one row stands in a cell that the other probes, each once; all with all probed."""
    rows = ArrayRows([clustered(1500, 24, dtype=np.float16)])
    everything = as_mapping(similar_pairs(rows, LEAST))
    centroids = find_centroids(rows, 60)
    for count in (1, 2, 5, 60):
        probes = probe(rows, centroids, count)
        found = as_mapping(pairs_in_cells(rows, into_cells(centroids, probes.owners), probes, LEAST, memory=300_000))
        reached = {
            (one, two): cosine
            for (one, two), cosine in everything.items()
            if probes.owners[one] in probes.cells[two] or probes.owners[two] in probes.cells[one]
        }
        assert found == reached
    assert found == everything


def test_a_search_does_not_depend_on_threads():
    """Cells, probes, recall and pairs are the same with one thread and with several, in the same order."""
    rows = ArrayRows([clustered(2500, 24)])
    one, several = (search_within(rows, LEAST, SearchSettings(exact_rows=100, threads=threads)) for threads in (1, 3))
    assert one.recall == several.recall
    assert one.cells.centroids.tobytes() == several.cells.centroids.tobytes()
    first = [block.left.tolist() for block in one.pairs(lambda *_: None)]
    assert first == [block.left.tolist() for block in several.pairs(lambda *_: None)]


def test_few_rows_are_compared_exactly():
    """Up to the bound there are no cells, and nothing to measure."""
    data = clustered(400, 24)
    search = search_within(ArrayRows([data]), LEAST, SearchSettings(exact_rows=400))
    assert search.cells is None
    assert search.recall is None
    assert set(as_mapping(search.pairs(lambda *_: None))) == set(reference_pairs(data, LEAST))


def test_no_pairs_leave_the_recall_unknown():
    """Rows that are all far apart have no pair to measure on."""
    rows = ArrayRows([np.eye(64, dtype=np.float32)])
    search = search_within(rows, LEAST, SearchSettings(exact_rows=1))
    assert (search.recall.share, search.recall.at_least, search.recall.pairs) == (None, 0.0, 0)
    assert as_mapping(search.pairs(lambda *_: None)) == {}


def test_new_rows_against_stored_cells():
    """A few new rows find their pairs among many in cells; cells that are given are used and not made again."""
    data = clustered(4000, 24)
    new, old = ArrayRows([data[:300]]), ArrayRows([data[300:]])
    cells = cells_of(old)
    settings_ = SearchSettings(exact_rows=100, target=0.99, sample=300)
    search = search_between(new, old, LEAST, cells, settings_)
    assert search.cells is cells
    found = set(as_mapping(search.pairs(lambda *_: None)))
    expected = {(one, two - 300) for one, two in reference_pairs(data, LEAST) if one < 300 <= two}
    assert found <= expected
    assert search.recall.rows == 200  # the other 100 decided how many cells are looked into
    assert search.recall.share >= 0.99
    assert len(found) / len(expected) > 0.95
    assert search_between(new, old, LEAST, None, settings_).cells.centroids.tobytes() == cells.centroids.tobytes()
    exact = search_between(new, old, LEAST, cells)  # 300 * 3,700 comparisons
    assert exact.recall is None
    assert set(as_mapping(exact.pairs(lambda *_: None))) == expected
    with pytest.raises(ValueError, match="cells of 3,700 rows"):
        search_between(new, new, LEAST, cells)


def test_sizes():
    """Cells grow with the square root; blocks fit into the memory that is given, down to a least size."""
    assert [number_of_cells(rows) for rows in (1, 4, 10_000, 1_000_000)] == [1, 4, 250, 2500]
    assert block_side(512, 256_000_000, 2) == 2048
    assert block_side(512, 30_000_000, 1) == 1024
    assert block_side(512, 1, 8) == 16


def test_progress_is_told():
    """Every way to search says how far it is, up to all of it."""
    told = []
    rows = ArrayRows([clustered(600, 16)])
    for exact_rows in (10, 1000):
        search = search_within(rows, LEAST, SearchSettings(exact_rows=exact_rows), lambda *step: told.append(step))
        list(search.pairs(lambda *step: told.append(step)))
    words = {what for what, done, total in told if done == total and total}
    assert words == {"finding cells", "comparing cells", "comparing rows"}
