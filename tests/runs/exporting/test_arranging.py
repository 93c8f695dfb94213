"""Which samples go into which shard: every one into exactly one, in order, within the limits."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.runs.exporting import ExportSettings
from nemo_curator.runs.exporting.arranging import arrange, shuffle_keys

SAMPLES = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2)), max_size=60)
NAMES = ["a", "b", "c"]


def arranged(samples, settings, names=NAMES):
    """(order, shards) of (bytes, split) pairs."""
    lengths = np.array([size for size, _ in samples], np.int64)
    codes = np.array([code for _, code in samples], np.int16)
    ids = [f"id/{number}" for number in range(len(samples))]
    keys = None if settings.shuffle is None else shuffle_keys(ids, settings.shuffle)
    order, shards = arrange(lengths, codes, names, keys, settings)
    return order.tolist(), shards


@given(SAMPLES, st.integers(1, 20), st.none() | st.integers(-5, 5))
def test_every_sample_is_in_one_shard_of_its_split(samples, size, shuffle):
    """Shards cover the order without gaps; each has samples of one split; all but a split's last are full."""
    order, shards = arranged(samples, ExportSettings(shard_size=size, shuffle=shuffle))
    assert sorted(order) == list(range(len(samples)))
    assert [shard.start for shard in shards] == [0, *(shard.stop for shard in shards)][: len(shards)]
    assert not shards or shards[-1].stop == len(samples)
    for split in NAMES:
        its = [shard for shard in shards if shard.split == split]
        assert [shard.name for shard in its] == [f"{split}/{number:05d}" for number in range(len(its))]
        assert all(shard.samples == size for shard in its[:-1])
        inside = [at for shard in its for at in order[shard.start : shard.stop]]
        assert {samples[at][1] for at in inside} <= {NAMES.index(split)}
        if shuffle is None:
            assert inside == sorted(inside)


@given(SAMPLES, st.integers(1, 5000))
def test_shards_of_bytes(samples, limit):
    """A shard has at most so many bytes unless one sample has more, and the next sample would not have fitted."""
    order, shards = arranged(samples, ExportSettings(shard_size=None, shard_bytes=limit))
    for shard, following in zip(shards, [*shards, None][1:], strict=True):
        sizes = [samples[at][0] for at in order[shard.start : shard.stop]]
        assert shard.bytes == sum(sizes)
        assert shard.bytes <= limit or shard.samples == 1
        if following is not None and following.split == shard.split:
            assert shard.bytes + samples[order[shard.stop]][0] > limit


@given(st.integers(-3, 3))
def test_the_order_of_a_shuffle_is_that_of_md5(seed):
    """Shuffled samples stand in the order of the hex digests of `seed:image_id`."""
    order, _ = arranged([(1, 0)] * 40, ExportSettings(shuffle=seed))
    digests = [hashlib.md5(f"{seed}:id/{number}".encode(), usedforsecurity=False).hexdigest() for number in range(40)]
    assert order == sorted(range(40), key=digests.__getitem__)


def test_without_splits_shards_stand_at_the_top():
    """The name of no split adds no folder."""
    _, shards = arranged([(1, 0)] * 3, ExportSettings(shard_size=2), [""])
    assert [(shard.name, shard.split) for shard in shards] == [("00000", ""), ("00001", "")]


@pytest.mark.parametrize("wrong", [{"format": "zip"}, {"shard_size": 0}, {"shard_size": None}, {"shard_bytes": -1}])
def test_settings_that_mean_nothing(wrong):
    """A format that does not exist and sizes below one are refused at once."""
    with pytest.raises(ValueError, match=r"no format|at least 1"):
        ExportSettings(**wrong)
