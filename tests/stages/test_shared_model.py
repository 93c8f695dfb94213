"""Which stages let another process hold their model, and that nothing else about them changes."""

from __future__ import annotations

import pickle

import cloudpickle
import pytest
from tests.models.clip_towers import both_towers, write_both
from tests.models.torch_reference import write_clip
from tests.public_api.fakes import EmbedAnything

from nemo_curator.errors import ModelError
from nemo_curator.models import registry
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.numerics import PRECISIONS, Numerics, default
from nemo_curator.models.remote import RemoteModel, RemoteTextModel
from nemo_curator.models.request import ModelRequest
from nemo_curator.pipeline.annotate import AnnotateStage
from nemo_curator.stages.image.embedders import clip_embedder
from nemo_curator.stages.image.embedders.clip_embedder import ImageEmbeddingStage
from nemo_curator.stages.image.embedders.model_embedder import ImageModelEmbeddingStage
from nemo_curator.stages.image.filters.caption_match_filter import ImageCaptionMatchFilterStage
from nemo_curator.stages.image.filters.nsfw_model_filter import ImageNSFWModelFilterStage
from nemo_curator.stages.shared_model import groups, place, place_text
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageObject


@pytest.fixture
def model_dir(tmp_path):
    """A small CLIP in the place of CLIP ViT-B/32."""
    write_both(tmp_path / "openai" / "clip-vit-base-patch32", both_towers(32, 512))
    return str(tmp_path)


class OwnSetup(ImageEmbeddingStage):
    """A user's embedder with another model."""

    def setup(self, _worker_metadata=None):
        """Another one."""
        self.model = EmbedAnything(self.model_dir)


def test_large_models_are_shared_and_small_ones_are_not(model_dir):
    """The towers of vision transformers; no small network, no detector, no head."""
    models = [spec for spec in registry.specs() if isinstance(spec, registry.ModelSpec)]
    assert {spec.name for spec in models if spec.shared} == {spec.name for spec in models if spec.patch}
    assert {spec.task for spec in models if spec.shared} == {"embedding"}
    assert {"efficientnet-lite0", "open-nsfw"} <= {spec.name for spec in models if not spec.shared}
    large = ImageModelEmbeddingStage(model="clip-vit-base-patch32", model_dir=model_dir)
    assert large.shared_models() == (
        ModelRequest.of(
            registry.create, name="clip-vit-base-patch32", model_dir=model_dir, numerics=default(("int8", "bf16"))
        ),
    )
    assert AnnotateStage(large).shared_models() == large.shared_models()
    small = ImageModelEmbeddingStage()
    assert (small.shared_models(), AnnotateStage(small).shared_models()) == ((), ())
    assert ImageNSFWModelFilterStage().shared_models() == ()


def test_the_public_embedder_shares_its_own_model_alone(monkeypatch):
    """Where a subclass, or whoever replaced the module's class, makes another model, it stays in the worker."""
    assert ImageEmbeddingStage(model_dir="d").shared_models() == (ModelRequest.of(CLIPImageEmbeddings, model_dir="d"),)
    assert OwnSetup(model_dir="d").shared_models() == ()
    monkeypatch.setattr(clip_embedder, "CLIPImageEmbeddings", EmbedAnything)
    stage = ImageEmbeddingStage(model_dir="d")
    assert stage.shared_models() == ()
    stage.setup(WorkerMetadata(inference="fd:9999"))
    assert type(stage.model) is EmbedAnything


def test_the_public_embedder_is_computed_as_it_is_told(tmp_path):
    """Runtime and precision reach the model, here and elsewhere, and are told of its embeddings; neither is needed."""
    write_clip(tmp_path / "openai" / "clip-vit-large-patch14", "gelu")
    told = ImageEmbeddingStage(model_dir=str(tmp_path), runtime="onnxruntime", precision="fp32")
    numerics = Numerics("onnxruntime", "fp32")
    wanted = ModelRequest.of(CLIPImageEmbeddings, model_dir=str(tmp_path), numerics=numerics)
    assert told.shared_models() == (wanted,)
    told.setup()
    assert told.model._numerics == numerics
    assert told.provenance()["model"].items() >= numerics.facts().items()
    open_ = ImageEmbeddingStage(model_dir=str(tmp_path))
    assert open_.provenance()["model"].items() >= default(PRECISIONS).facts().items()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"precision": "bf17"}, "'bf17' is no precision"),
        ({"runtime": "openvin"}, "did you mean 'openvino'"),
        ({"runtime": "onnxruntime", "precision": "bf16"}, "bf16 is not computed by onnxruntime"),
    ],
)
def test_what_the_public_embedder_cannot_compute_is_told_when_it_is_made(given, said):
    """A mistake is one sentence, before anything runs."""
    with pytest.raises(ModelError, match=said):
        ImageEmbeddingStage(model_dir="d", **given)


def test_a_stage_is_the_same_wherever_its_model_will_be(model_dir):
    """It pickles before it is set up, and without an address it loads the model itself."""
    stage = ImageModelEmbeddingStage(model="clip-vit-base-patch32", model_dir=model_dir)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        copy = pickle.loads(dumps(stage))  # noqa: S301 (just made here)
        assert copy.shared_models() == stage.shared_models()
        copy.setup(WorkerMetadata())
        assert isinstance(copy._model, type(registry.create("clip-vit-base-patch32", model_dir=model_dir)))


@pytest.mark.parametrize("worker", [None, WorkerMetadata(), WorkerMetadata("w")])
def test_no_address_no_other_process(worker):
    """What is no worker of a host with an inference process has its own model."""
    request = ModelRequest.of(EmbedAnything, model_dir="d")
    assert isinstance(place((request,), worker, EmbedAnything), EmbedAnything)


def test_with_an_address_the_other_process_is_asked():
    """A stage with nothing to share keeps its own model even then."""
    worker = WorkerMetadata(inference="nowhere")
    model = place((ModelRequest.of(EmbedAnything, model_dir="d"),), worker, EmbedAnything)
    assert isinstance(model, RemoteModel)
    with pytest.raises(ModelError, match="no address"):
        model.setup()
    assert isinstance(place((), worker, EmbedAnything), EmbedAnything)


def test_a_model_elsewhere_gets_whole_batches():
    """One in this process gets as many images at once as the stage says."""
    images = [ImageObject(image_id=f"{number}") for number in range(7)]
    remote = RemoteModel(ModelRequest.of(EmbedAnything), "nowhere")
    assert [len(one) for one in groups(images, EmbedAnything(), 3)] == [3, 3, 1]
    assert [len(one) for one in groups(images, remote, 3)] == [7]
    assert list(groups([], remote, 3)) == list(groups([], EmbedAnything(), 3)) == []


def test_text_towers_are_shared_where_each_image_has_a_text(model_dir):
    """The score of captions asks the inference process; without a model it says nothing."""
    stage = ImageCaptionMatchFilterStage(model="clip-vit-base-patch32", model_dir=model_dir)
    (request,) = stage.shared_models()
    assert request.make is registry.create_text
    assert ImageCaptionMatchFilterStage().shared_models() == ()
    assert isinstance(place_text((request,), WorkerMetadata(inference="nowhere"), stage.tower), RemoteTextModel)
    assert place_text((request,), WorkerMetadata(), stage.tower) is stage.tower()
    assert place_text((), WorkerMetadata(inference="nowhere"), stage.tower) is stage.tower()
