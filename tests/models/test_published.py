"""What the registry says of published files is well formed, and agrees with itself and with the code that uses it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np
import pytest

from nemo_curator.models import efficientnet_graph, open_nsfw, registry
from nemo_curator.models.clip_config import read_config
from nemo_curator.models.published import CLIP, PUBLISHED, hub_weights
from nemo_curator.models.spec import HeadSpec, ModelSpec, Normalisation, PublishedFile, UserWeights

OF_USERS = [spec for spec in registry.specs() if isinstance(spec.weights, UserWeights)]


@pytest.mark.parametrize("repository", PUBLISHED)
def test_a_repository_is_pinned_by_commit_and_its_files_by_hash(repository):
    """A full commit, a licence, and files with names, lengths and hashes that could be true."""
    known = PUBLISHED[repository]
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
    assert re.fullmatch(r"[0-9a-f]{40}", known.revision)
    assert known.licence
    assert known.files
    assert len({file.name for file in known.files}) == len(known.files)
    for file in known.files:
        assert file.name == PurePosixPath(file.name).name
        assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)
        assert file.size >= 0


def test_no_two_large_files_have_one_hash():
    """A hash that was copied to the wrong line would be found here; settings may be the same in several places."""
    hashes = [file.sha256 for known in PUBLISHED.values() for file in known.files if file.size > 1000 and file.sha256]
    assert len(hashes) == len(set(hashes))


@pytest.mark.parametrize("spec", OF_USERS, ids=lambda spec: spec.name)
def test_an_entry_agrees_with_what_is_published(spec):
    """The published weight file is one that the model is loaded from, what must lie beside it is published too."""
    weights = spec.weights
    names = {file.name for file in weights.files}
    assert not names or names & set(weights.names)
    assert not names or set(weights.beside) <= names
    if weights.repository:
        assert weights.revision == PUBLISHED[weights.repository].revision
        assert weights.files == PUBLISHED[weights.repository].files
        assert spec.licence == PUBLISHED[weights.repository].licence
        assert weights.revision in weights.address
    if spec.sha256:
        assert spec.sha256 in {file.sha256 for file in weights.files}


@pytest.mark.parametrize("spec", OF_USERS, ids=lambda spec: spec.name)
def test_how_to_get_names_file_place_and_source(spec):
    """Who lacks the weights learns which file belongs where, and what fetches it or where it is."""
    said = spec.weights.how_to_get
    assert f"at MODEL_DIR/{PurePosixPath(spec.weights.file).parent}".rstrip("./") in said
    assert spec.weights.origin in said
    assert ("imagecurator models get" in said) is bool(spec.weights.repository)
    assert spec.weights.repository or spec.weights.address in said


def test_the_length_of_a_model_is_known_if_that_of_its_weights_is():
    """The sum of what is known, and 0 where it would leave out the weights."""
    settings = PublishedFile("config.json")
    assert UserWeights("a/w", "", files=(settings, PublishedFile("w", 7))).size == 7
    assert UserWeights("a/w", "", files=(PublishedFile("config.json", 3), PublishedFile("w"))).size == 0
    assert UserWeights("a/w", "").size == 0


def test_weights_of_a_repository_may_lie_elsewhere():
    """Their place is the repository's name, or a folder that is given."""
    assert hub_weights("openai/clip-vit-base-patch32", "model.safetensors").place("config.json") == (
        "openai/clip-vit-base-patch32/config.json"
    )
    assert hub_weights("opencv/face_detection_yunet", "w.onnx", folder="").file == "w.onnx"
    with pytest.raises(KeyError):
        hub_weights("nobody/nothing", "w")


def test_normalisation_is_what_the_graphs_do(tmp_path):
    """The entry says what the code subtracts and divides by."""
    (tmp_path / "config.json").write_text("{}")
    tower = read_config(tmp_path)
    assert (tower.mean, tower.deviation) == (CLIP.mean, CLIP.deviation)
    of = {spec.name: spec.normalisation for spec in registry.specs() if isinstance(spec, ModelSpec)}
    np.testing.assert_allclose(np.multiply(of["efficientnet-lite0"].mean, 255), efficientnet_graph._MEAN)
    np.testing.assert_allclose(np.multiply(of["efficientnet-lite0"].deviation, 255), efficientnet_graph._SCALE)
    np.testing.assert_allclose(np.multiply(of["open-nsfw"].mean, 255), open_nsfw._MEAN_RGB)
    assert all(isinstance(one, Normalisation) for one in of.values())


def test_heads_that_fit_an_embedding():
    """Each head is listed with the models whose embeddings it takes, and nowhere else."""
    heads = [spec for spec in registry.specs() if isinstance(spec, HeadSpec)]
    for model in registry.specs("embedding"):
        fitting = registry.fitting_heads(model.name)
        assert fitting == [head.name for head in heads if model.name in head.embeddings]
    assert registry.fitting_heads("clip-vit-large-patch14") == [
        "sac-logos-ava1-l14-linearMSE", "sa_0_4_vit_l_14_linear", "clip-autokeras-binary-nsfw"
    ]  # fmt: skip
    assert registry.fitting_heads("open-nsfw") == []
