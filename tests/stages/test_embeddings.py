"""An embedding as a run keeps it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nemo_curator.errors import EmbeddingError, SampleError
from nemo_curator.kernels.half import widen
from nemo_curator.pipeline.annotate import AnnotateStage
from nemo_curator.stages.image.embeddings import as_stored
from nemo_curator.tasks import ImageBatch, ImageObject

LARGEST = float(np.finfo(np.float16).max)
VECTORS = arrays.arrays(np.float32, st.integers(1, 40), elements=st.floats(-LARGEST, LARGEST, width=32))


@given(VECTORS)
def test_it_is_what_is_stored_and_read(vector):
    """The numbers are those that a 16-bit array gives back, whoever widens it; a second rounding changes none."""
    rounded = as_stored(vector)
    half = vector.astype(np.float16)
    assert rounded.dtype == np.float32
    assert rounded.tobytes() == half.astype(np.float32).tobytes() == as_stored(rounded).tobytes()
    assert rounded.tobytes() == widen(half, np.empty(half.shape, np.float32)).tobytes()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 65_520.0, -1e30])
def test_what_cannot_be_stored_is_an_error_of_its_image(number):
    """NaN, infinity and what 16 bits cannot hold are told, without a warning on the way."""
    with pytest.raises(EmbeddingError, match="16-bit floats cannot hold") as caught:
        as_stored(np.array([0, number], np.float32))
    assert isinstance(caught.value, SampleError)


def test_only_a_recipe_rounds():
    """The wrapper of a recipe's stages rounds what an embedder gives; called by hand, the stage does not."""
    from tests.pipeline.embedding_stages import VIEW, TallyEmbedderStage

    def batch():
        picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8)
        return ImageBatch(data=[ImageObject(image_id="a", views={VIEW: picture})])

    own = TallyEmbedderStage().process(batch()).data[0].embedding
    wrapped = AnnotateStage(TallyEmbedderStage()).process(batch()).data[0].embedding
    assert not np.array_equal(own, wrapped)
    assert np.array_equal(as_stored(own), wrapped)
