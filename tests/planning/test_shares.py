"""How cores are shared out between decoding and inference."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.planning.shares import Shares, share_out


@given(st.integers(1, 500), st.integers(0, 1000), st.none() | st.integers(1, 500))
def test_without_a_shared_model_all_is_decoding(cores, partitions, asked):
    """As many workers as were asked for, or as there are cores, but never more than there is work for."""
    shares = share_out(cores, partitions, asked, shared=False)
    assert shares == Shares(min(asked or cores, partitions), 0)


@given(st.integers(1, 500), st.integers(1, 1000), st.none() | st.integers(1, 500))
def test_inference_may_use_every_core(cores, partitions, asked):
    """Whatever number of workers was asked for; the workers are the same as without it."""
    shares = share_out(cores, partitions, asked, shared=True)
    assert shares.inference_threads == cores
    assert shares.workers == share_out(cores, partitions, asked, shared=False).workers


def test_nothing_to_do_starts_nothing():
    """Without a partition there is no process at all."""
    assert share_out(4, 0, shared=True) == Shares(0, 0)
