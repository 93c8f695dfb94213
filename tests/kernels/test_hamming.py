"""Near hashes: every pair within the radius is found, once, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_curator.kernels import hamming
from nemo_curator.kernels.hamming import HammingIndex, nearest_within, pairs_within


def random_hashes(random: np.random.Generator, count: int) -> np.ndarray:
    """Hashes that have nothing to do with one another."""
    return random.integers(0, 256, (count, 32), dtype=np.uint8)


def changed(random: np.random.Generator, hashes: np.ndarray, bits: int) -> np.ndarray:
    """Hashes with exactly so many of their bits changed."""
    spread = np.unpackbits(hashes, axis=1)
    for row in spread:
        row[random.choice(256, bits, replace=False)] ^= 1
    return np.packbits(spread, axis=1)


def distances(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Bits in which each differs from each."""
    return np.unpackbits(left[:, None] ^ right[None], axis=2).sum(axis=2, dtype=np.int64)


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
)
@settings(max_examples=120)
def test_nothing_is_missed(seed, radius, left, right, few, sparse):
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
        patch.setattr(hamming, "_BLOCK", 64)
        patch.setattr(hamming, "_COMPARED", 64)
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
        patch.setattr(hamming, "_BLOCK", 1000)
        blocks = list(pairs_within(same, same, 31))
    assert sum(len(one.left) for one in blocks) == 700 * 700
    assert max(len(one.left) for one in blocks) <= 1000


@pytest.mark.parametrize("wrong", [np.zeros((2, 16), np.uint8), np.zeros(32, np.uint8), np.zeros((2, 32), np.int64)])
def test_what_is_no_hash(wrong):
    """Arrays of another shape or type are refused."""
    with pytest.raises(ValueError, match=r"\(N, 32\) array of uint8"):
        HammingIndex(wrong)
