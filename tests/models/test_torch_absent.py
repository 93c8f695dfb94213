"""What of the GPU side is decided without torch."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.verb_towers import clip

from nemo_curator.errors import MissingExtraError
from nemo_curator.models.runtimes.torch_memory import BATCH, fitting
from nemo_curator.models.runtimes.torch_session import TorchSession


def test_without_torch_the_extra_is_named(monkeypatch):
    """One sentence with the command."""
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"imagecurator\[torch\]"):
        TorchSession(clip(), precision="fp32", device="cpu")


@pytest.mark.parametrize(
    ("total", "batch"), [(80_000, BATCH), (2_000, BATCH), (1_500, 16), (1_300, 8), (1_000, 1), (100, 1)]
)
def test_batches_shrink_on_small_devices(total, batch):
    """ViT-L/14 in bf16 holds 608 MB and takes 4.7 MB an item: a batch is halved until half of the memory holds all."""
    assert fitting(total * 10**6, 608 * 10**6, 4_700_000) == batch


@given(st.integers(1, 10**12), st.integers(0, 10**11), st.integers(1, 10**9))
def test_a_batch_never_takes_more_than_half_of_the_memory(total, held, each):
    """Unless it is one item, which has to be tried; and it is the largest of its kind."""
    batch = fitting(total, held, each)
    assert batch == 1 or held + batch * each <= total // 2
    assert batch == BATCH or held + 2 * batch * each > total // 2
