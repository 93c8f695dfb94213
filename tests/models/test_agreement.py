from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nemo_curator.models.agreement import Agreement, changed_sides, of_embeddings, of_scores

SCORES = arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(-100, 100, width=32))


def turned(rows, cosine):
    """Rows of unit norm with a given cosine to each of `rows`."""
    other = np.roll(rows, 1, axis=1) * np.where(np.arange(rows.shape[1]) % 2, -1, 1)
    other -= np.sum(other * rows, axis=1, keepdims=True) * rows
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return (cosine * rows + np.sqrt(1 - cosine**2) * other).astype(np.float32)


@pytest.fixture
def rows():
    """64 rows of unit norm."""
    found = np.random.default_rng(5).standard_normal((64, 32))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("cosine", "enough"), [(0.9995, True), (0.9985, False)])
def test_every_embedding_must_agree(rows, cosine, enough):
    """One embedding below the least cosine is one too many, however well the others agree."""
    low = rows.copy()
    low[17] = turned(rows, cosine)[17]
    found = of_embeddings(rows, low, {})
    assert found.cosine == pytest.approx(cosine, abs=1e-6)
    assert found.enough is enough


def test_a_head_that_changes_its_mind_is_not_enough(rows):
    """Embeddings that agree do not do where a head calls other images good."""
    scores = np.arange(64, dtype=np.float32)
    found = of_embeddings(
        rows, rows, {"steady": (scores, scores + 0.2, 64.0), "moved": (scores, scores[::-1].copy(), 64.0)}
    )
    assert found.changed["steady"] == 0
    assert found.changed["moved"] > 0.3
    assert not found.enough


def test_scores_may_drift_a_little():
    """Half a per cent of the scale is fine, three per cent are not."""
    full = np.linspace(0, 1, 50, dtype=np.float32)
    assert of_scores(full, full + np.float32(0.005), 1.0, "nsfw").enough
    assert not of_scores(full, full + np.float32(0.03), 1.0, "nsfw").enough


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_never_agrees(rows, bad):
    """A precision that overflows on one image is refused."""
    low = rows.copy()
    low[3, 3] = bad
    assert not of_embeddings(rows, low, {}).enough
    full = np.linspace(0, 1, 9, dtype=np.float32)
    broken = full.copy()
    broken[2] = bad
    assert not of_scores(full, broken, 1.0, "nsfw").enough


def test_nothing_looked_at_proves_nothing():
    """Without an image there is no agreement."""
    assert not Agreement(0).enough


@given(SCORES)
def test_equal_scores_change_no_side(scores):
    """Whatever the scores are, they agree with themselves; with one value there is no threshold."""
    assert changed_sides(scores, scores) == 0


@given(SCORES.filter(lambda one: len(np.unique(one)) > 1))
def test_a_share_is_a_share(scores):
    """Between 0 and 1, and above 0 where the order is turned round."""
    assert 0 < changed_sides(scores, -scores + 1000) <= 1
