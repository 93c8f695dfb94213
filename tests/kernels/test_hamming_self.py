"""Near pairs within one set of hashes: each within the radius is found, once, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.hashes import changed, distances, random_hashes

from nemo_curator.kernels import hamming_self
from nemo_curator.kernels.hamming_self import self_pairs


def found(hashes, radius, threads=1) -> dict[tuple[int, int], int]:
    """What the search finds; a pair that comes twice, or the wrong way round, is a failure."""
    pairs: dict[tuple[int, int], int] = {}
    for block in self_pairs(hashes, radius, threads):
        for left, right, distance in zip(*(part.tolist() for part in block), strict=True):
            assert left < right
            assert (left, right) not in pairs
            pairs[left, right] = distance
    return pairs


def by_hand(hashes, radius) -> dict[tuple[int, int], int]:
    """What it must find."""
    away = distances(hashes, hashes)
    near = zip(*np.nonzero(np.triu(away <= radius, 1)), strict=True)
    return {(int(left), int(right)): int(away[left, right]) for left, right in near}


@given(
    seed=st.integers(0, 2**32),
    radius=st.sampled_from([0, 1, 7, 8, 15, 16, 23, 24, 30, 31, 32, 256]),
    count=st.integers(0, 50),
    sparse=st.booleans(),
    block=st.sampled_from([1, 40, 1 << 19]),
)
@settings(max_examples=80)
def test_nothing_is_missed(seed, radius, count, sparse, block):
    """The search finds what comparing each with each finds, around every radius, in blocks of any size."""
    random = np.random.default_rng(seed)
    hashes = random_hashes(random, count)
    if sparse:  # many equal pieces
        hashes &= 1
    if count:
        some = hashes[random.integers(0, count, 3)]
        hashes = np.concatenate([hashes, *(changed(random, some, bits) for bits in {0, radius, min(256, radius + 1)})])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming_self, "_FEW", 0)
        patch.setattr(hamming_self, "_ROWS", 16)
        patch.setattr(hamming_self, "_BLOCK", block)
        assert found(hashes, radius) == by_hand(hashes, radius)


@pytest.mark.parametrize("radius", [7, 15, 23, 31])
def test_bits_that_differ_where_it_is_hardest(radius):
    """Differences spread as evenly as can be over words, halves and pieces are found, and one bit more is not."""
    random = np.random.default_rng(radius)
    ours = random_hashes(random, 400)
    spread = np.unpackbits(ours, axis=1, bitorder="little")
    for row in spread:
        halves = np.array_split(random.permutation(radius), 8)
        for half, some in enumerate(halves):
            places = 32 * half + random.choice([0, 6, 12, 17, 22, 27], 6, replace=False)[: len(some)]
            row[places] ^= 1
    theirs = np.packbits(spread, axis=1, bitorder="little")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming_self, "_FEW", 0)
        pairs = found(np.concatenate([ours, theirs]), radius)
        assert pairs == {(at, at + 400): radius for at in range(400)}
        assert found(np.concatenate([ours, theirs]), radius - 1) == {}


def test_threads_change_nothing():
    """Blocks and their order are the same with one thread and with three."""
    random = np.random.default_rng(3)
    hashes = random_hashes(random, 4000)
    hashes[2000:] = changed(random, hashes[:2000], 20)
    one, three = (list(self_pairs(hashes, 31, threads)) for threads in (1, 3))
    assert len(one) == len(three) > 1
    assert all(
        np.array_equal(a, b)
        for first, second in zip(one, three, strict=True)
        for a, b in zip(first, second, strict=True)
    )
    assert sum(len(block.left) for block in one) == 2000


def test_equal_hashes_in_great_number():
    """Equal hashes are found whole, in blocks."""
    same = np.zeros((300, 32), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming_self, "_FEW", 0)
        patch.setattr(hamming_self, "_BLOCK", 1000)
        blocks = list(self_pairs(same, 31))
    assert sum(len(one.left) for one in blocks) == 300 * 299 // 2
    assert max(len(one.left) for one in blocks) <= 1300


@pytest.mark.parametrize(("count", "few"), [(200, 0), (200, 500), (0, 500)])
def test_progress(count, few):
    """The share that is done grows, and ends with the whole."""
    told = []
    hashes = random_hashes(np.random.default_rng(6), count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming_self, "_FEW", few)
        list(self_pairs(hashes, 31, 2, told.append))
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) == ((count > 0) + 1 if few else 160)


@pytest.mark.parametrize("wrong", [np.zeros((2, 16), np.uint8), np.zeros((2, 32), np.int64)])
def test_what_is_no_hash(wrong):
    """Arrays of another shape or type are refused."""
    with pytest.raises(ValueError, match=r"\(N, 32\) array of uint8"):
        list(self_pairs(wrong, 31))
