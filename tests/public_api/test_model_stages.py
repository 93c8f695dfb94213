"""Filters and embedder hold `self.model`, made in `setup` from the class that their own module names."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from tests.public_api.fakes import EmbedAnything, Tensor, ids

from nemo_curator.models.aesthetics import AestheticScorer
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.nsfw import NSFWScorer
from nemo_curator.stages.image.embedders import clip_embedder
from nemo_curator.stages.image.embedders.clip_embedder import ImageEmbeddingStage
from nemo_curator.stages.image.filters import aesthetic_filter, nsfw_filter
from nemo_curator.stages.image.filters.aesthetic_filter import ImageAestheticFilterStage
from nemo_curator.stages.image.filters.nsfw_filter import ImageNSFWFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import photo

SCORES = [0.3, 0.5, 0.7]


class Scripted:
    """A model that says what it was made with and answers with given scores, as tensor or array."""

    tensor = False
    made: ClassVar[list[dict]] = []

    def __init__(self, **given):
        """Keep what it was given."""
        self.given = given
        self.loaded = False
        type(self).made.append(given)

    def setup(self):
        """Load."""
        self.loaded = True

    def __call__(self, embeddings):
        """A score for each embedding: its first number."""
        assert self.loaded
        scores = np.asarray(embeddings)[:, :1]
        return Tensor(scores) if self.tensor else scores[:, 0]


class ScriptedTensor(Scripted):
    """The same, as torch would."""

    tensor = True


def _batch():
    """A batch with one embedding a score."""
    images = [ImageObject(image_id=f"{score}", embedding=np.array([score, 0], np.float32)) for score in SCORES]
    return ImageBatch(data=images)


CASES = [
    (aesthetic_filter, "AestheticScorer", ImageAestheticFilterStage, "aesthetic_score", ["0.5", "0.7"]),
    (nsfw_filter, "NSFWScorer", ImageNSFWFilterStage, "nsfw_score", ["0.3"]),
]


@pytest.mark.parametrize("model", [Scripted, ScriptedTensor])
@pytest.mark.parametrize(("module", "name", "kind", "field", "kept"), CASES, ids=["aesthetic", "nsfw"])
def test_filter(monkeypatch, model, module, name, kind, field, kept):
    """The module's own class is the model; its score is set, and decides by the documented side of the threshold."""
    monkeypatch.setattr(module, name, model)
    stage = kind(model_dir="somewhere")
    assert not hasattr(stage, "model")
    stage.setup(None)
    assert type(stage.model) is model
    assert (stage.model.given["model_dir"], stage.model.loaded) == ("somewhere", True)
    done = stage.process(_batch())
    assert ids(done) == kept
    assert [getattr(image, field) for image in done.data] == pytest.approx([float(one) for one in kept])
    assert [record.score for record in done.records] == pytest.approx([s for s in SCORES if f"{s}" not in kept])


@pytest.mark.parametrize(("module", "name", "kind", "field", "kept"), CASES, ids=["aesthetic", "nsfw"])
def test_filter_model_may_be_replaced(monkeypatch, module, name, kind, field, kept):
    """A user may put another model in `self.model` after `setup`."""
    monkeypatch.setattr(module, name, Scripted)
    stage = kind()
    stage.setup()
    stage.model = lambda embeddings: np.full(len(embeddings), 0.5)
    assert len(stage.process(_batch()).data) == (3 if "0.5" in kept else 0)


def test_nsfw_weights_path(monkeypatch):
    """`weights_path` reaches the model, and only where it is given."""
    monkeypatch.setattr(nsfw_filter, "NSFWScorer", Scripted)
    Scripted.made.clear()
    ImageNSFWFilterStage(weights_path="w.pth").setup()
    ImageNSFWFilterStage(model_dir="d").setup()
    assert Scripted.made == [{"model_dir": None, "weights_path": "w.pth"}, {"model_dir": "d"}]


def _photos(count):
    """A batch of pictures."""
    return ImageBatch(data=[ImageObject(image_id=f"{seed}", image_data=photo(seed)) for seed in range(count)])


class EmbedLong(EmbedAnything):
    """Forgets to normalise, and answers as torch would."""

    def __call__(self, images):
        """Vectors of any length."""
        return Tensor(super().__call__(images) * 7)


@pytest.mark.parametrize("model", [EmbedAnything, EmbedLong])
def test_embedder(monkeypatch, model):
    """Every image gets an embedding of unit norm in float32, from batches of the model's size."""
    monkeypatch.setattr(clip_embedder, "CLIPImageEmbeddings", model)
    stage = ImageEmbeddingStage(model_dir="d", model_inference_batch_size=2)
    stage.setup()
    assert type(stage.model) is model
    done = stage.process(_photos(5))
    vectors = np.stack([image.embedding for image in done.data])
    assert (vectors.shape, vectors.dtype) == ((5, 768), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len({vector.tobytes() for vector in vectors}) == 5


@pytest.mark.parametrize("remove", [True, False])
def test_embedder_remove_image_data(monkeypatch, remove):
    """`remove_image_data` frees the pixels after embedding."""
    monkeypatch.setattr(clip_embedder, "CLIPImageEmbeddings", EmbedAnything)
    stage = ImageEmbeddingStage(remove_image_data=remove)
    stage.setup()
    (image,) = stage.process(_photos(1)).data
    assert (image.image_data is None) is remove


@pytest.mark.parametrize("kind", [CLIPImageEmbeddings, AestheticScorer, NSFWScorer])
def test_model(kind):
    """Each model has `setup`, a call, its ids and a way to fetch weights; used too early it says so."""
    from nemo_curator.errors import ModelError

    assert kind(model_dir="d").model_dir == "d"
    assert kind("d").model_dir == "d"
    assert all("/" in name for name in kind.model_id_names())
    assert callable(kind.download_weights_on_node)
    with pytest.raises(ModelError, match="setup"):
        kind(model_dir="d")([])


@pytest.mark.parametrize("kind", [CLIPImageEmbeddings, AestheticScorer, NSFWScorer])
def test_model_without_weights(tmp_path, kind):
    """Weights that are not there are a `FileNotFoundError` that names the file."""
    with pytest.raises(FileNotFoundError, match=kind.model_id_names()[0]):
        kind(model_dir=str(tmp_path)).setup()


@pytest.fixture
def unit_vectors():
    """Vectors as CLIP gives them."""
    vectors = np.random.default_rng(3).normal(size=(6, 768))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_real_heads_from_the_documented_layout(shared_models, unit_vectors):
    """The LAION heads load from a `model_dir` as users have it, and score on their documented scales."""
    images = [ImageObject(image_id=f"{row}", embedding=vector) for row, vector in enumerate(unit_vectors)]
    batch = ImageBatch(data=images)
    for stage in (
        ImageAestheticFilterStage(model_dir=str(shared_models), score_threshold=-100.0),
        ImageNSFWFilterStage(model_dir=str(shared_models), score_threshold=1.1),
    ):
        stage.setup_on_node(None, None)
        stage.setup()
        batch = stage.process(batch)
    assert len(batch.data) == 6
    assert all(-5 < image.aesthetic_score < 15 for image in batch.data)
    assert all(0 <= image.nsfw_score <= 1 for image in batch.data)
    assert len({image.aesthetic_score for image in batch.data}) == 6


def test_real_nsfw_head_by_its_own_path(shared_models, unit_vectors):
    """`weights_path` loads the same weights, wherever they lie."""
    path = shared_models / "laion" / "clip-autokeras-binary-nsfw" / "clip_autokeras_binary_nsfw.pth"
    by_dir, by_path = ImageNSFWFilterStage(model_dir=str(shared_models)), ImageNSFWFilterStage(weights_path=str(path))
    by_dir.setup()
    by_path.setup()
    np.testing.assert_array_equal(by_dir.model(unit_vectors), by_path.model(unit_vectors))
