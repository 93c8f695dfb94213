"""Duplicates in a cluster: greedy, of the most similar kept row, and the same whatever the batches."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.vectors import clustered

from nemo_curator.kernels.cluster_duplicates import cluster_duplicates


def by_hand(rows, least):
    """Kept rows and what each other one duplicates, row by row by the definition."""
    wide = rows.astype(np.float64)
    unit = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    cosines = unit @ unit.T
    duplicates: dict[int, int] = {}
    for row in range(len(rows)):
        kept = [other for other in range(row) if other not in duplicates and cosines[row, other] >= least]
        if kept:
            duplicates[row] = max(kept, key=lambda other: (cosines[row, other], -other))
    return duplicates


@settings(max_examples=40)
@given(st.integers(1, 80), st.sampled_from([0.7, 0.9, 0.97]), st.integers(1, 90), st.integers(0, 1000))
def test_duplicates_are_those_of_the_definition(count, least, batch, seed):
    """Whatever the batch: the same duplicates, each of a row that is kept."""
    rows = clustered(count, 12, clusters=4, seed=seed)
    found = cluster_duplicates(rows, least, batch)
    expected = by_hand(rows, least)
    assert set(np.flatnonzero(found.kept >= 0).tolist()) == set(expected)
    for row, other in expected.items():
        assert found.kept[row] == other
        assert found.kept[other] == -1
        assert found.similarity[row] >= least
    assert np.isnan(found.similarity[found.kept < 0]).all()


def test_the_most_similar_earlier_row_is_told_of_every_row():
    """Kept or not; the first has none; batches change no bit."""
    rows = clustered(300, 24)
    found = cluster_duplicates(rows, 0.9, 64)
    cosines = rows.astype(np.float64) @ rows.astype(np.float64).T
    for row in range(1, 300):
        assert found.nearest[row] == cosines[row, :row].argmax()
        assert found.cosines[row] == pytest.approx(cosines[row, :row].max(), abs=1e-6)
    assert (found.nearest[0], np.isnan(found.cosines[0])) == (-1, True)
    again = cluster_duplicates(rows, None, 1)
    assert np.array_equal(again.nearest, found.nearest)
    assert again.cosines.tobytes() == found.cosines.tobytes()
    assert (again.kept == -1).all()


def test_a_chain_keeps_its_last_link():
    """Of three in a row the middle one duplicates the first; the third, near to the middle one alone, is kept."""
    angles = np.radians([0.0, 10.0, 20.0])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert cluster_duplicates(rows, np.cos(np.radians(12.0))).kept.tolist() == [-1, 0, -1]


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_equal_rows_are_duplicates_at_any_bound(batch):
    """Copies have a cosine of 1, also where rounding would say a little less; each duplicates the first."""
    rows = np.repeat(clustered(7, 31, copies=0), 20, axis=0)
    found = cluster_duplicates(rows, 1.0, batch)
    assert found.kept.tolist() == [-1 if at % 20 == 0 else at - at % 20 for at in range(140)]
    assert (found.similarity[found.kept >= 0] == 1.0).all()


def test_one_row():
    """A cluster of one has no pair."""
    found = cluster_duplicates(np.ones((1, 3), np.float32), 0.5)
    assert (found.nearest.tolist(), found.kept.tolist()) == ([-1], [-1])


def dense(count, dimension=16, spread=0.4):
    """Rows that nearly all are similar to one another."""
    random = np.random.default_rng(1)
    middle = random.standard_normal((1, dimension))
    return (middle + spread * random.standard_normal((count, dimension))).astype(np.float32)


@pytest.mark.parametrize("least", [0.6, 0.85, 0.95])
@pytest.mark.parametrize("batch", [1, 130, 1000])
def test_dense_clusters_are_decided_row_by_row_too(least, batch):
    """Rows that many kept ones cover, before their block and inside it, duplicate the nearest of these."""
    rows = dense(500)
    found, expected = cluster_duplicates(rows, least, batch), by_hand(rows, least)
    assert {row: int(found.kept[row]) for row in np.flatnonzero(found.kept >= 0)} == expected
    assert expected


def test_pairs_of_a_dense_cluster_are_not_gathered():
    """All pairs are near enough; what is held beside one batch of cosines does not grow with their number."""
    rows, batch = dense(2000, spread=0.1), 1000
    tracemalloc.start()
    try:
        found = cluster_duplicates(rows, 0.8, batch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (found.kept[1:] == 0).all()
    assert peak < 4 * batch * len(rows) * 4
