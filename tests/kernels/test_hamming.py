"""Near hashes: every pair within the radius is found, once, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.hashes import changed, distances, random_hashes

from nemo_curator.kernels import hamming
from nemo_curator.kernels.hamming import HammingIndex, nearest_within, pairs_within


def listed(left, right, radius) -> dict[tuple[int, int], int]:
    """What the search finds; a pair that comes twice is a failure."""
    found: dict[tuple[int, int], int] = {}
    for pairs in pairs_within(left, right, radius):
        for one, other, distance in zip(*(part.tolist() for part in pairs), strict=True):
            assert (one, other) not in found
            found[one, other] = distance
    return found


def by_hand(left, right, radius) -> dict[tuple[int, int], int]:
    """What it must find."""
    away = distances(left, right)
    return {
        (int(one), int(other)): int(away[one, other]) for one, other in zip(*np.nonzero(away <= radius), strict=True)
    }


@given(
    seed=st.integers(0, 2**32),
    radius=st.sampled_from([0, 1, 15, 16, 30, 31, 32, 60, 256]),
    left=st.integers(0, 60),
    right=st.integers(0, 60),
    few=st.booleans(),
    sparse=st.booleans(),
    widest=st.sampled_from([1, 2, 64]),
)
@settings(max_examples=120)
def test_nothing_is_missed(seed, radius, left, right, few, sparse, widest):
    """Both ways to search find what comparing each with each finds, at every distance around the radius."""
    random = np.random.default_rng(seed)
    ours, theirs = random_hashes(random, left), random_hashes(random, right)
    if sparse:  # many equal pieces
        ours, theirs = ours & 1, theirs & 1
    if left and right:
        near = [changed(random, ours[random.integers(0, left, 3)], bits) for bits in {0, radius, min(256, radius + 1)}]
        theirs = np.concatenate([theirs, *near])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "_FEW", 512 if few else 0)
        patch.setattr(hamming, "_BLOCK", 16)
        patch.setattr(hamming, "_COMPARED", 64)
        patch.setattr(hamming, "_WIDEST", widest)
        assert listed(ours, theirs, radius) == by_hand(ours, theirs, radius)
        check_nearest(ours, theirs, radius)


def check_nearest(ours, theirs, radius):
    """The nearest is the first of those with the least distance, and -1 where none is near enough."""
    rows, away = nearest_within(ours, HammingIndex(theirs), radius)
    for one, (row, distance) in enumerate(zip(rows.tolist(), away.tolist(), strict=True)):
        known = distances(ours[one : one + 1], theirs)[0]
        if len(known) and known.min() <= radius:
            assert (row, distance) == (int(known.argmin()), int(known.min()))
        else:
            assert (row, distance) == (-1, -1)


@pytest.mark.parametrize(("images", "others"), [(3000, 600), (600, 3000), (4000, 900)])
def test_many_against_some(images, others):
    """With real block sizes, whichever side is the larger, all changed hashes are found, each by its original."""
    random = np.random.default_rng(7)
    ours, theirs = random_hashes(random, images), random_hashes(random, others)
    chosen = random.choice(images, 50, replace=False)
    theirs[:50] = changed(random, ours[chosen], 31)
    theirs[50:100] = changed(random, ours[chosen], 32)
    rows, away = nearest_within(ours, HammingIndex(theirs), 31)
    assert np.flatnonzero(rows >= 0).tolist() == sorted(chosen.tolist())
    assert rows[chosen].tolist() == list(range(50))
    assert set(away[chosen].tolist()) == {31}
    assert listed(ours, theirs, 31) == {(int(one), at): 31 for at, one in enumerate(chosen)}


def test_opposite_hashes():
    """256 differing bits are 256, not 0."""
    zeros, ones = np.zeros((1, 32), np.uint8), np.full((1, 32), 255, np.uint8)
    assert listed(zeros, ones, 255) == {}
    assert listed(zeros, ones, 256) == {(0, 0): 256}


def test_equal_hashes_in_great_number():
    """A list of equal hashes against images of the same hash is found in blocks, whole."""
    same = np.zeros((700, 32), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "_COMPARED", 1000)
        blocks = list(pairs_within(same, same, 31))
    assert sum(len(one.left) for one in blocks) == 700 * 700
    assert max(len(one.left) for one in blocks) <= 1000


def test_threads_change_nothing():
    """Blocks and their order are the same with one thread and with three."""
    random = np.random.default_rng(3)
    listed = random_hashes(random, 3000)
    asked = changed(random, listed[random.integers(0, 3000, 500)], 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "_BLOCK", 64)
        one, three = (list(HammingIndex(listed).pairs(asked, 31, threads)) for threads in (1, 3))
    assert len(one) == len(three) > 1
    for first, second in zip(one, three, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert sum(len(block.left) for block in one) >= 500


def arrays_of(index):
    """What is stored of an index, its pieces put together."""
    arrays = {name: np.empty(sides, kind) for name, (kind, sides) in index.shapes().items()}
    filled = dict.fromkeys(arrays, 0)
    for name, piece in index.stored():
        arrays[name].reshape(-1)[filled[name] : filled[name] + piece.size] = piece.ravel()
        filled[name] += piece.size
    assert filled == {name: array.size for name, array in arrays.items()}
    return arrays


def test_an_index_from_its_arrays():
    """An index made from stored arrays, which may not be written to, finds what the first one finds."""
    random = np.random.default_rng(4)
    listed = random_hashes(random, 700)
    asked = changed(random, listed[:100], 31)
    first = HammingIndex(listed)
    arrays = arrays_of(first)
    for values in arrays.values():
        values.flags.writeable = False
    again = HammingIndex.from_arrays(arrays)
    blocks = [list(index.pairs(asked, 31)) for index in (first, again)]
    assert [one.left.tolist() for one in blocks[0]] == [one.left.tolist() for one in blocks[1]]
    assert sum(len(one.left) for one in blocks[1]) == 100


def broken_arrays() -> list[tuple[str, np.ndarray]]:
    """What a damaged file may hold."""
    order, offsets = np.zeros((16, 700), np.uint32), np.zeros((16, 65537), np.uint32)
    offsets[:, 1:] = 700
    down = offsets.copy()
    down[3, 5] = 701
    return [
        ("order", order.astype(np.int64)),
        ("order", order + np.uint32(700)),
        ("order", order[:, :-1]),
        ("near", np.zeros((16, 700), np.uint32)),
        ("offsets", np.zeros((16, 65537), np.uint32)),
        ("offsets", down),
        ("hashes", np.zeros((700, 31), np.uint8)),
    ]


@pytest.mark.parametrize(("name", "values"), broken_arrays())
def test_damaged_arrays_are_refused(name, values):
    """Arrays that would lead a search outside are refused before it begins."""
    arrays = arrays_of(HammingIndex(random_hashes(np.random.default_rng(5), 700)))
    with pytest.raises(ValueError, match=r"order|offsets|near|hashes"):
        HammingIndex.from_arrays({**arrays, name: values})


@pytest.mark.parametrize("wrong", [np.zeros((2, 16), np.uint8), np.zeros(32, np.uint8), np.zeros((2, 32), np.int64)])
def test_what_is_no_hash(wrong):
    """Arrays of another shape or type are refused."""
    with pytest.raises(ValueError, match=r"\(N, 32\) array of uint8"):
        HammingIndex(wrong)
