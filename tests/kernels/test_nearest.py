"""The rows that point most nearly in the direction of a query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.kernels.nearest import exact_cosines, nearest


def directions(count, dimension, seed=0):
    """Random unit rows in half precision."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def by_hand(matrix, query):
    """Cosines by the definition, in double precision."""
    wide, wanted = matrix.astype(np.float64), query.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return (wide @ wanted) / (np.linalg.norm(wide, axis=1) * np.linalg.norm(wanted))


def chosen(found, count):
    """The best of what was found, in the order of a ranking by cosine and then index."""
    order = sorted(range(len(found.rows)), key=lambda at: (-found.cosines[at], found.rows[at]))
    return [int(found.rows[at]) for at in order[:count]]


@given(st.integers(1, 400), st.sampled_from([1, 2, 3, 8, 17, 300]), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_the_nearest_are_those_of_the_definition(count, dimension, wanted, seed):
    """Whatever the shape, the best rows and their cosines are those of a sort by the definition."""
    matrix = directions(count, dimension, seed)
    query = np.random.default_rng([seed, 1]).standard_normal(dimension).astype(np.float32)
    cosines = by_hand(matrix, query)
    found = nearest(matrix, query, wanted)
    assert np.allclose(found.cosines, cosines[found.rows], rtol=0, atol=1e-12)
    best = np.sort(found.cosines)[::-1][:wanted]
    assert np.allclose(best, np.sort(cosines)[::-1][:wanted], rtol=0, atol=1e-12)


@given(st.integers(1, 200), st.sampled_from([1, 5, 96, 768, 1280]), st.integers(0, 2**32 - 1))
def test_a_cosine_depends_on_its_row_alone(count, dimension, seed):
    """To the last bit, whatever rows stand beside it and in which order."""
    matrix = directions(count, dimension, seed)
    query = directions(1, dimension, seed + 1)[0].astype(np.float32)
    whole = exact_cosines(matrix, query)
    order = np.random.default_rng(seed).permutation(count)
    assert np.array_equal(exact_cosines(matrix[order], query), whole[order])
    for row in (0, count // 2, count - 1):
        assert exact_cosines(matrix[row : row + 1], query)[0] == whole[row]
        assert exact_cosines(matrix[row:], query)[0] == whole[row]


def test_equal_rows_tie_wherever_they_stand():
    """Copies of one row have one cosine, and all of them are given where they tie with the last that is wanted."""
    matrix = directions(5_000, 768)
    copies = [0, 7, 517, 1_043, 4_999]
    matrix[copies] = matrix[3_000]
    found = nearest(matrix, matrix[3_000].astype(np.float32), 2)
    assert {*copies, 3_000} <= set(found.rows.tolist())
    assert len({float(found.cosines[found.rows.tolist().index(row)]) for row in [*copies, 3_000]}) == 1


def test_rows_that_are_far_are_passed_over():
    """Below `least` nothing is given, and a search in pieces with what is known so far ends in the same rows."""
    matrix = directions(4_000, 64)
    query = directions(1, 64, 9)[0].astype(np.float32)
    whole = chosen(nearest(matrix, query, 10), 10)
    least, rows = -np.inf, []
    for start in range(0, 4_000, 333):
        found = nearest(matrix[start : start + 333], query, 10, least)
        assert (found.cosines >= least).all()
        rows += [(float(cosine), start + int(row)) for row, cosine in zip(found.rows, found.cosines, strict=True)]
        rows = sorted(rows, key=lambda one: (-one[0], one[1]))[:10]
        least = rows[-1][0] if len(rows) == 10 else -np.inf
    assert [row for _, row in rows] == whole


def test_only_allowed_rows_count():
    """A mask takes rows out."""
    matrix = directions(3_000, 64)
    allowed = np.arange(3_000) % 7 == 3
    query = matrix[0].astype(np.float32)
    found = nearest(matrix, query, 5, allowed=allowed)
    assert allowed[found.rows].all()
    expected = np.flatnonzero(allowed)[np.argsort(-by_hand(matrix, query)[allowed], kind="stable")[:5]]
    assert chosen(found, 5) == expected.tolist()


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, -np.inf])
def test_rows_without_a_direction_are_never_near(value):
    """Zeros, NaN and infinities are left out, even where too few other rows are there."""
    matrix = directions(4, 8)
    matrix[1], matrix[2, 3] = 0.0, value
    query = directions(1, 8, 5)[0].astype(np.float32)
    rows = set(nearest(matrix, query, 4).rows.tolist())
    assert rows == ({0, 2, 3} if value == 0 else {0, 3})


def test_the_length_of_a_row_says_nothing():
    """Rows that are not of unit norm are ranked by their direction."""
    matrix = directions(50, 16)
    query = directions(1, 16, 3)[0].astype(np.float32)
    scaled = (matrix.astype(np.float32) * np.linspace(0.25, 4, 50, dtype=np.float32)[:, None]).astype(np.float16)
    assert chosen(nearest(scaled, query * 100, 1), 1) == chosen(nearest(matrix, query, 1), 1)


def test_nothing_to_look_at():
    """An empty matrix has no nearest row."""
    assert len(nearest(np.empty((0, 8), np.float16), np.ones(8, np.float32), 3).rows) == 0
