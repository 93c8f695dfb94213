from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.planning.sharding import Shard, shards_with


@given(st.integers(1, 40), st.integers(0, 200))
def test_shares_divide_what_there_is(of, count):
    """Every partition is in exactly one share, in its order, and no share has two more than another."""
    shares = [Shard(number, of).takes(range(count)) for number in range(1, of + 1)]
    assert sorted(one for share in shares for one in share) == list(range(count))
    assert all(share == sorted(share) for share in shares)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for number, share in enumerate(shares, 1):
        assert shards_with(share, of) == ([number] if share else [])


def test_a_shard_is_counted_from_one():
    """`3/16` is the third of sixteen; what is none is told so."""
    assert Shard.parse("3/16") == Shard(3, 16)
    assert str(Shard.parse(" 1 / 1 ")) == "1/1"
    for text in ("0/4", "5/4", "1/0", "x", "1/2/3", "-1/4", "", "1.5/3"):
        with pytest.raises(ValueError, match="the third of sixteen"):
            Shard.parse(text)
