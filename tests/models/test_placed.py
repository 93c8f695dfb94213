from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from tests.models.formula import pictures
from tests.models.tiny_towers import TOWERS

from nemo_curator.errors import ModelError, UnknownModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics
from nemo_curator.stages.image.embedders.model_embedder import ImageModelEmbeddingStage
from nemo_curator.stages.image.filters.nsfw_model_filter import ImageNSFWModelFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject


@pytest.fixture
def model_dir(tmp_path):
    """A directory of models that nobody registered."""
    for name, tiny in TOWERS.items():
        tiny.write(tmp_path / "owner" / name)
    return tmp_path


@pytest.mark.parametrize("name", TOWERS)
def test_a_model_is_known_by_what_lies_there(name, model_dir):
    """Its settings say view, dimension and patch; it can be loaded, sent to a worker, and traced to its bytes."""
    spec = registry.get_spec(f"owner/{name}", model_dir)
    tiny = TOWERS[name]
    assert (spec.name, spec.task, spec.dimension) == (f"owner/{name}", "embedding", tiny.dimension)
    assert (spec.view.crop or spec.view.size) == tiny.side
    assert spec.licence == "NOASSERTION"
    assert registry.availability(spec, model_dir).ok
    arrived = pickle.loads(pickle.dumps(registry.create(spec.name, model_dir=model_dir)))  # noqa: S301  our own bytes
    arrived.setup()
    assert arrived(pictures(2, tiny.side)).shape == (2, tiny.dimension)
    facts = registry.provenance(spec.name, model_dir, Numerics("onnxruntime", "int8"))["model"]
    assert facts["name"] == spec.name
    assert facts["precision"] == "int8"
    assert len(facts["weights"]) == 64
    assert facts["settings"].keys() == tiny.settings.keys()


@pytest.mark.parametrize("name", ["openclip", "siglip"])
def test_the_fingerprint_covers_every_settings_file(name, model_dir):
    """Another setting beside the same weights is another model; a file of another layout beside them is not."""
    before = registry.provenance(f"owner/{name}", model_dir)
    folder = model_dir / "owner" / name
    (folder / "README.md").write_text("changed")
    if name == "openclip":
        (folder / "config.json").write_text("{}")
    assert registry.provenance(f"owner/{name}", model_dir) == before
    for file in TOWERS[name].settings:
        content = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**content, "note": 1}))
        after = registry.provenance(f"owner/{name}", model_dir)
        assert after != before
        before = after


def test_where_the_directory_lies_changes_nothing(model_dir, tmp_path_factory):
    """The name is a place under the model directory, so that a run resumes on another machine."""
    other = tmp_path_factory.mktemp("elsewhere")
    TOWERS["siglip"].write(other / "owner" / "siglip")
    assert registry.provenance("owner/siglip", other) == registry.provenance("owner/siglip", model_dir)


def test_the_environment_names_the_directory(model_dir, monkeypatch):
    """Without a model_dir the one in IMAGECURATOR_MODEL_DIR counts; without either it is said where to put what."""
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(model_dir))
    assert registry.get_spec("owner/dinov2").dimension == 32
    monkeypatch.delenv("IMAGECURATOR_MODEL_DIR")
    with pytest.raises(WeightsNotFoundError, match=r"IMAGECURATOR_MODEL_DIR, .*, with the folder owner/dinov2"):
        registry.get_spec("owner/dinov2")


@pytest.mark.parametrize("name", [
    "../dinov2", "owner/../owner/dinov2", "/etc/passwd", "owner//dinov2", "owner/", "/", "a/b/c/d/e", "owner/.git",
    "owner/dino v2", "owner/d\nino", "owner\\x/y", "owner/" + "x" * 300, "owner/é", "./owner",
])  # fmt: skip
def test_a_name_never_leaves_the_directory(name, model_dir):
    """What is no plain `owner/name` is no model, whatever lies where it points."""
    with pytest.raises(UnknownModelError, match="is no name of a model"):
        registry.get_spec(name, model_dir)


def test_an_empty_place_says_what_belongs_there(model_dir):
    """The sentence has the full path, and the files of either layout."""
    with pytest.raises(WeightsNotFoundError, match="no model lies in this folder") as caught:
        registry.get_spec("owner/nothing", model_dir)
    assert str(model_dir / "owner" / "nothing") in str(caught.value)
    assert "model.safetensors" in str(caught.value)
    assert "open_clip_config.json" in str(caught.value)


def test_a_model_of_another_kind_is_refused(model_dir):
    """A folder of a kind that is no known tower is told by its kind."""
    place = model_dir / "owner" / "siglip" / "config.json"
    place.write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(WeightsError, match="kind 'llama'"):
        registry.get_spec("owner/siglip", model_dir)


def test_a_registered_model_may_be_named_by_its_place(tmp_path):
    """The name that it has on the hub means the registered model, with its heads and under its own name."""
    assert registry.get_spec("openai/clip-vit-large-patch14") is registry.get_spec("clip-vit-large-patch14")
    stage_error = pytest.raises(WeightsNotFoundError, match=r"model\.safetensors")
    with stage_error:
        ImageModelEmbeddingStage(model="openai/clip-vit-large-patch14", model_dir=str(tmp_path))
    TOWERS["dinov2"].write(tmp_path / "facebook" / "dinov2-base")
    with pytest.raises(WeightsError, match="dinov2-base"):
        registry.create("facebook/dinov2-base", model_dir=tmp_path)


def test_a_stage_embeds_with_it(model_dir):
    """A recipe's embedding may be such a model; the view is cut as its settings say."""
    stage = ImageModelEmbeddingStage(model="owner/siglip", model_dir=str(model_dir))
    assert stage.embedding_model == "owner/siglip"
    assert stage.needs().views == (registry.get_spec("owner/siglip", model_dir).view,)
    stage.setup()
    images = [ImageObject(image_id=str(index), image_data=picture) for index, picture in enumerate(pictures(3, 70))]
    made = stage.process(ImageBatch(task_id="t", dataset_name="d", data=images))
    for image in made.data:
        assert image.embedding.shape == (32,)
        assert np.linalg.norm(image.embedding) == pytest.approx(1, abs=1e-6)


def test_it_stands_for_no_score(model_dir):
    """A filter that needs a score says that the model is for another task."""
    with pytest.raises(ModelError, match="'owner/siglip' is for another task"):
        ImageNSFWModelFilterStage(model="owner/siglip", model_dir=str(model_dir))


def test_a_slip_in_a_registered_place_is_told(tmp_path):
    """Where nothing lies at a place that is nearly that of a registered model, that one is suggested; else none is."""
    with pytest.raises(UnknownModelError, match="did you mean 'openai/clip-vit-base-patch32'\\?"):
        registry.get_spec("openai/clip-vit-base-patch-32", tmp_path)
    with pytest.raises(WeightsNotFoundError) as caught:
        registry.get_spec("owner/nothing", tmp_path)
    assert "did you mean" not in str(caught.value)
