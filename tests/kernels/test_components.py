from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from nemo_curator.kernels.components import components


def mask(*rows: str) -> np.ndarray:
    """A mask drawn with `#`."""
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_parts_touch_at_corners_too():
    """Pixels that meet at a corner alone are one part; a gap of one pixel makes two."""
    assert len(components(mask("#..", ".#.", "..#"))) == 1
    assert len(components(mask("#.#", "#.#"))) == 2
    assert len(components(mask("..#", ".#.", "#.."))) == 1


def test_parts_that_meet_late_are_one():
    """The arms of a U belong together, and so do the rings of a spiral."""
    assert len(components(mask("#.#", "#.#", "###"))) == 1
    spiral = mask("#####", "....#", "###.#", "#...#", "#####")
    assert len(components(spiral)) == 1


def test_a_row_s_end_is_not_beside_the_next_row_s_start():
    """The right edge of one row and the left edge of the next are far from each other."""
    assert len(components(mask("..#", "#.."))) == 2
    assert len(components(mask("...#", "....", "#..."))) == 2


def test_runs_are_in_reading_order():
    """Each part is its runs, row by row; parts are in the order of their first pixels."""
    found = components(mask("##.#", "#..#"))
    assert [part.tolist() for part in found] == [[[0, 0, 1], [1, 0, 0]], [[0, 3, 3], [1, 3, 3]]]
    assert components(mask("...", "...")) == []


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.booleans()))
def test_a_flood_finds_the_same_parts(drawn):
    """Every pixel is in exactly one part, and a flood from any pixel of a part fills that part."""
    parts = [{(r, c) for r, first, last in part.tolist() for c in range(first, last + 1)} for part in components(drawn)]
    assert sum(map(len, parts)) == drawn.sum()
    assert set().union(*parts) == set(zip(*map(list, np.nonzero(drawn)), strict=True))
    for part in parts:
        seen, edge = set(), [min(part)]
        while edge:
            r, c = edge.pop()
            if (r, c) in seen or not (0 <= r < drawn.shape[0] and 0 <= c < drawn.shape[1]) or not drawn[r, c]:
                continue
            seen.add((r, c))
            edge += [(r + y, c + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
        assert seen == part
