"""K-means: the same bits whatever the threads and blocks, as good as scikit-learn's, and never an empty cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.vectors import clustered

from nemo_curator.kernels import closest as closest_module
from nemo_curator.kernels import kmeans as module
from nemo_curator.kernels.closest import Centroids, closest
from nemo_curator.kernels.in_order import in_order
from nemo_curator.kernels.kmeans import Settings, kmeans
from nemo_curator.kernels.rows import ArrayRows, PickedRows

INITS = ["k-means||", "k-means++", "random"]
# of scikit-learn 1.9.1's KMeans(40, n_init=1, random_state=0) on clustered(4000, 24, clusters=60, copies=0)
SKLEARN_INERTIA = 1844.249


def by_definition(rows, points, metric="euclidean"):
    """Scores of each row and centroid, in double precision."""
    wide, centres = rows.astype(np.float64), points.astype(np.float64)
    scores = wide @ centres.T
    return scores - (centres * centres).sum(axis=1) / 2 if metric == "euclidean" else scores


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("metric", ["euclidean", "angular"])
def test_result_does_not_depend_on_threads(init, metric):
    """Centroids, labels and inertia are the same to the last bit with one thread and with several."""
    rows = clustered(3000, 16)
    one, several = (kmeans(ArrayRows([rows]), 25, Settings(init, metric=metric, threads=threads)) for threads in (1, 3))
    assert one.centroids.tobytes() == several.centroids.tobytes()
    assert one.labels.tobytes() == several.labels.tobytes()
    assert one.inertia == several.inertia


def test_result_does_not_depend_on_how_rows_are_stored():
    """Half precision in three files gives what the same numbers in one array of single precision give."""
    rows = clustered(2000, 16, dtype=np.float16)
    whole = kmeans(ArrayRows([rows.astype(np.float32)]), 12)
    parts = kmeans(ArrayRows([rows[:700], rows[700:701], rows[701:]]), 12)
    assert whole.centroids.tobytes() == parts.centroids.tobytes()


def test_blocks_that_are_read_do_not_change_labels(monkeypatch):
    """Labels follow from the centroids alone, however rows come in blocks."""
    rows = clustered(2000, 16)
    points = kmeans(ArrayRows([rows]), 12).centroids
    whole = kmeans(ArrayRows([rows]), 12, Settings(points, max_iter=1))
    monkeypatch.setattr(module, "_BLOCK", 16 * 37)
    assert np.array_equal(kmeans(ArrayRows([rows]), 12, Settings(points, max_iter=1)).labels, whole.labels)


def test_inertia_is_that_of_the_definition():
    """The sum of squared distances to the nearest centroid, and each row is with its nearest."""
    rows = clustered(2000, 24)
    found = kmeans(ArrayRows([rows]), 30)
    distances = ((rows[:, None, :].astype(np.float64) - found.centroids.astype(np.float64)) ** 2).sum(axis=2)
    assert np.array_equal(found.labels, distances.argmin(axis=1))
    assert found.inertia == pytest.approx(distances.min(axis=1).sum(), rel=1e-9)
    assert np.array_equal(found.sizes, np.bincount(found.labels, minlength=30))


@pytest.mark.parametrize("init", ["k-means||", "k-means++"])
def test_inertia_is_within_one_percent_of_a_known_one(init):
    """The inertia that scikit-learn reached on the same rows, written down here."""
    rows = clustered(4000, 24, clusters=60, copies=0)
    assert kmeans(ArrayRows([rows]), 40, Settings(init)).inertia <= 1.01 * SKLEARN_INERTIA


def test_inertia_is_within_one_percent_of_scikit_learn():
    """On the mean of three seeds, against the library itself where it is installed; its own seeds are 1 % apart."""
    cluster = pytest.importorskip("sklearn.cluster", reason="scikit-learn is not installed")
    rows = clustered(5000, 32, clusters=80, seed=3)
    theirs = [cluster.KMeans(64, n_init=1, random_state=seed).fit(rows).inertia_ for seed in range(3)]
    ours = [kmeans(ArrayRows([rows]), 64, Settings(seed=seed)).inertia for seed in range(3)]
    assert sum(ours) <= 1.01 * sum(theirs)


@pytest.mark.parametrize("init", INITS)
def test_no_cluster_stays_empty_where_enough_rows_differ(init):
    """Most rows are copies of one; the others still get clusters of their own."""
    rows = np.repeat(clustered(40, 8, copies=0), [500, *[1] * 39], axis=0)
    found = kmeans(ArrayRows([rows]), 40, Settings(init))
    assert (found.sizes > 0).all()
    assert found.inertia == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("init", INITS)
def test_fewer_different_rows_than_clusters(init):
    """What cannot be parted stays together, and nothing fails."""
    rows = np.repeat(clustered(3, 8, copies=0), 10, axis=0)
    found = kmeans(ArrayRows([rows]), 7, Settings(init))
    assert found.inertia == pytest.approx(0.0, abs=1e-9)
    assert found.sizes.sum() == 30


def test_an_empty_cluster_gets_the_farthest_row():
    """A given centroid that nobody is near to moves to the row that is worst off."""
    rows = np.array([[0.0], [0.1], [0.2], [5.0]], np.float32)
    start = np.array([[0.0], [-100.0]], np.float32)
    found = kmeans(ArrayRows([rows]), 2, Settings(start))
    assert found.centroids[:, 0] == pytest.approx([0.1, 5.0])


def test_seeds_and_starts():
    """A seed gives one result, another seed another; of several starts the best is taken."""
    rows = ArrayRows([clustered(2000, 16)])
    first, again = kmeans(rows, 30, Settings("random", seed=1)), kmeans(rows, 30, Settings("random", seed=1))
    assert first.centroids.tobytes() == again.centroids.tobytes()
    assert first.centroids.tobytes() != kmeans(rows, 30, Settings("random", seed=2)).centroids.tobytes()
    assert kmeans(rows, 30, Settings("random", seed=1, n_init=4)).inertia <= first.inertia


def test_a_fraction_of_the_rows_labels_all():
    """Centroids come from some rows, labels are given to all."""
    rows = clustered(2000, 16)
    found = kmeans(ArrayRows([rows]), 10, Settings(fit_data_fraction=0.25))
    assert np.array_equal(found.labels, by_definition(rows, found.centroids).argmax(axis=1))
    assert found.sizes.sum() == 2000


def test_angular_centroids_have_unit_length():
    """And every row is with the centroid that it points to most nearly."""
    rows = clustered(1500, 16)
    found = kmeans(ArrayRows([rows]), 20, Settings(metric="angular"))
    assert np.linalg.norm(found.centroids, axis=1) == pytest.approx(1.0, abs=1e-6)
    assert np.array_equal(found.labels, by_definition(rows, found.centroids, "angular").argmax(axis=1))


@pytest.mark.parametrize(
    ("count", "init", "words"),
    [
        (11, "random", "10 rows do not make 11 clusters"),
        (0, "random", "10 rows do not make 0 clusters"),
        (2, np.zeros((3, 4), np.float32), r"\(3, 4\)"),
        (2, np.full((2, 4), np.nan, np.float32), "finite"),
        (2, "best", "not 'best'"),
    ],
)
def test_what_cannot_be_done_is_refused(count, init, words):
    """Too many clusters, centroids of another shape, an unknown way."""
    with pytest.raises(ValueError, match=words):
        kmeans(ArrayRows([clustered(10, 4)]), count, Settings(init))


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(1, 90), st.integers(1, 12), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_closest_are_those_of_the_definition(rows, points, count, dimension, seed):
    """Whatever the shape, and where many centroids are equal or nearly so: of equals the first."""
    random = np.random.default_rng(seed)
    data = random.integers(-3, 4, (rows, dimension)).astype(np.float32)
    centres = random.integers(-3, 4, (points, dimension)).astype(np.float32)
    count = min(count, points)
    found = closest(data, Centroids.euclidean(centres), count)
    scores = by_definition(data, centres)
    assert np.array_equal(found.first, scores.argmax(axis=1))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    assert np.array_equal(found.some, np.sort(order, axis=1))


def test_zeros_and_equal_centroids_are_told_at_once(monkeypatch):
    """Rows without a direction, and many equal centroids, leave nothing open that would be computed once more."""
    asked = []
    monkeypatch.setattr(closest_module, "exact_scores", lambda *given: asked.append(given) or np.zeros(len(given[2])))
    points = np.repeat(clustered(3, 8, copies=0), 50, axis=0)
    found = closest(np.concatenate([points, np.zeros((20, 8), np.float32)]), Centroids.angular(points))
    assert found.first.tolist() == [at - at % 50 for at in range(150)] + [0] * 20
    assert closest(np.zeros((2, 8), np.float32), Centroids.angular(points), 4).some.tolist() == [[0, 1, 2, 3]] * 2
    assert asked == []


def test_the_closest_of_many_do_not_depend_on_the_product():
    """Rows looked at one by one, which are multiplied by other code, have the same closest centroids."""
    rows, points = clustered(300, 48), clustered(700, 48, seed=9)
    together = closest(rows, Centroids.angular(points), 8)
    alone = [closest(rows[at : at + 1], Centroids.angular(points), 8) for at in range(len(rows))]
    assert np.array_equal(together.first, np.concatenate([one.first for one in alone]))
    assert np.array_equal(together.some, np.concatenate([one.some for one in alone]))


def test_rows_of_several_arrays_are_one_matrix():
    """Blocks and picks over the borders of the parts, in any order."""
    whole = clustered(50, 8, dtype=np.float16)
    rows = ArrayRows([whole[:20], whole[20:20], whole[20:21], whole[21:].astype(np.float32)])
    assert (len(rows), rows.dimension) == (50, 8)
    for start, stop in [(0, 50), (19, 22), (20, 21), (45, 80), (50, 60), (0, 0)]:
        assert np.array_equal(rows.block(start, stop), whole[start:stop].astype(np.float32))
    picked = np.array([49, 0, 20, 20, 3])
    assert np.array_equal(rows.take(picked), whole[picked].astype(np.float32))
    some = PickedRows(rows, picked)
    assert np.array_equal(some.block(1, 3), whole[[0, 20]].astype(np.float32))
    assert np.array_equal(some.take(np.array([4, 0])), whole[[3, 49]].astype(np.float32))
    with pytest.raises(ValueError, match="one length"):
        ArrayRows([whole, whole[:, :4]])


def test_results_come_in_order_and_errors_reach_the_asker():
    """Whichever thread is done first; a failure ends the work."""
    assert list(in_order(lambda piece: piece * 2, range(50), 4)) == list(range(0, 100, 2))
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda piece: 1 // (piece - 20), range(50), 4))
    with ThreadPoolExecutor(2) as pool:  # two askers at once
        first, second = (pool.submit(lambda: list(in_order(abs, range(-30, 0), 2))) for _ in range(2))
        assert first.result() == second.result() == list(range(30, 0, -1))
