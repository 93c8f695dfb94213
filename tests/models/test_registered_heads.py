from __future__ import annotations

import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from tests.models.formula import numbers, unit_rows
from tests.models.test_heads import (
    aesthetic_tensors,
    layer_by_layer,
    network,
    nsfw_tensors,
    write_aesthetic,
    write_nsfw,
)
from tests.models.test_torch_file import storage, tensor, tree, write_zip

from nemo_curator.errors import ModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.aesthetics import AestheticScorer
from nemo_curator.models.head import Head
from nemo_curator.models.nsfw import NSFWScorer

LINEAR = ["sa_0_4_vit_l_14_linear", "sa_0_4_vit_b_16_linear", "sa_0_4_vit_b_32_linear"]
HEADS = [spec.name for spec in registry.specs() if isinstance(spec, registry.HeadSpec)]


def write_linear(path, weight, bias):
    """A state dict of one `Linear` layer, as torch writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width = weight.size
    entries = {
        "weight": tensor(storage("0", count=width), 0, (1, width), (width, 1)),
        "bias": tensor(storage("1", count=1), 0, (1,), (1,)),
    }
    return write_zip(path, tree(**entries), {"0": weight.tobytes(), "1": np.float32(bias).tobytes()})


def own(name, folder):
    """A head with numbers of our own, and what it must give for rows, in float64."""
    spec = replace(registry.get_spec(name), sha256="")
    if name in LINEAR:
        vector = numbers(spec.dimension, seed=3, scale=9)
        write_linear(folder / spec.weights.file, vector, 5.5)
        return Head(spec, spec.weights.find(folder)), lambda rows: rows @ vector.astype(np.float64) + 5.5
    if spec.task == "nsfw":
        write_nsfw(folder, nsfw_tensors())
        return Head(spec, spec.weights.find(folder)), lambda rows: network(nsfw_tensors(), rows)
    write_aesthetic(folder, aesthetic_tensors())
    return Head(spec, spec.weights.find(folder)), lambda rows: layer_by_layer(aesthetic_tensors(), rows)


@pytest.fixture(params=HEADS)
def head(request, tmp_path):
    """Each head, loaded, with numbers of our own."""
    loaded, _ = own(request.param, tmp_path)
    loaded.setup()
    return loaded


def test_the_heads_of_the_field_are_there():
    """The names are those of the published files."""
    assert set(HEADS) == {"sac-logos-ava1-l14-linearMSE", "clip-autokeras-binary-nsfw", *LINEAR}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_names_embedders_that_are_registered(name):
    """Each model that it fits is an embedder of the registry that gives vectors of the head's length."""
    spec = registry.get_spec(name)
    assert spec.embeddings
    for embedding in spec.embeddings:
        embedder = registry.get_spec(embedding)
        assert (embedder.task, embedder.dimension) == ("embedding", spec.dimension)
        assert name in registry.heads_on(embedding, spec.task)
    assert registry.heads_on("efficientnet-lite0", spec.task) == []
    assert spec.licence
    assert spec.scale[0] < spec.scale[1]


@pytest.mark.parametrize("name", HEADS)
def test_a_head_equals_its_description(name, tmp_path):
    """Numbers of our own give what the layers say in float64, to float32 rounding."""
    loaded, expected = own(name, tmp_path)
    loaded.setup()
    rows = unit_rows(64, loaded.spec.dimension)
    scores = loaded(rows)
    assert (scores.dtype, scores.shape) == (np.float32, (64,))
    assert np.ptp(scores) > 0.1
    np.testing.assert_allclose(scores, expected(rows.astype(np.float64)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", LINEAR)
def test_a_published_linear_head_is_what_its_file_says(name, real_heads):
    """The pinned file loads, and scores are its raw numbers times the embedding plus its bias."""
    loaded = registry.create_head(name, real_heads)
    loaded.setup()
    path = real_heads / loaded.spec.weights.file
    with zipfile.ZipFile(path) as archive:  # not our reader: its two storages as they lie in the file
        raw = {member.rpartition("/data/")[2]: archive.read(member) for member in archive.namelist()}
    parts = sorted((np.frombuffer(data, "<f4") for key, data in raw.items() if key.isdigit()), key=len)
    bias, vector = (part.astype(np.float64) for part in parts)
    rows = unit_rows(128, loaded.spec.dimension)
    expected = rows.astype(np.float64) @ vector + bias[0]
    np.testing.assert_allclose(loaded(rows), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "scorer"),
    [("sac-logos-ava1-l14-linearMSE", AestheticScorer), ("clip-autokeras-binary-nsfw", NSFWScorer)],
)
def test_a_head_equals_the_public_scorer_to_the_last_bit(name, scorer, real_heads):
    """The same weights behind the registry and behind the public class are one computation."""
    loaded, public = registry.create_head(name, real_heads), scorer(real_heads)
    loaded.setup()
    public.setup()
    rows = unit_rows(32)
    np.testing.assert_array_equal(loaded(rows), public(rows))


def test_a_score_depends_on_its_own_row_only(head):
    """To the last bit: alone, in slices, in reverse, from another memory order."""
    rows = unit_rows(32, head.spec.dimension)
    scores = head(rows)
    np.testing.assert_array_equal(np.concatenate([head(rows[i : i + 1]) for i in range(32)]), scores)
    np.testing.assert_array_equal(head(rows[5:8]), scores[5:8])
    np.testing.assert_array_equal(head(rows[::-1]), scores[::-1])
    np.testing.assert_array_equal(head(np.asfortranarray(rows)), scores)
    assert head(rows[:0]).shape == (0,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_scores_as_nan_and_spoils_no_neighbour(head, value):
    """A row with NaN or infinity anywhere gets NaN, never a number that a rule could compare."""
    rows = unit_rows(3, head.spec.dimension)
    clean = head(rows)
    rows[1, 5] = value
    scores = head(rows)
    assert np.isnan(scores[1])
    np.testing.assert_array_equal(scores[[0, 2]], clean[[0, 2]])


def test_embeddings_of_another_length_are_refused(head):
    """The error says which shape is expected."""
    with pytest.raises(ValueError, match=rf"\(N, {head.spec.dimension}\)"):
        head(np.zeros((2, head.spec.dimension + 1)))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_travels_to_a_worker_before_and_after_setup(name, tmp_path):
    """A head is plain arrays, so it pickles in either state; a second setup changes nothing."""
    loaded, _ = own(name, tmp_path)
    arrived = pickle.loads(pickle.dumps(loaded))  # noqa: S301  our own bytes
    for one in (arrived, loaded, loaded):
        one.setup()
    again = pickle.loads(pickle.dumps(loaded))  # noqa: S301  our own bytes
    rows = unit_rows(2, loaded.spec.dimension)
    np.testing.assert_array_equal(arrived(rows), loaded(rows))
    np.testing.assert_array_equal(again(rows), loaded(rows))


def test_a_call_before_setup_is_said_so(tmp_path):
    """The error names the head and what was forgotten."""
    loaded, _ = own(LINEAR[2], tmp_path)
    with pytest.raises(ModelError, match=rf"{LINEAR[2]} was called before setup"):
        loaded(unit_rows(1, 512))


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path):
    """Where one file is published, another in its place does not pass for it."""
    own(LINEAR[0], tmp_path)
    with pytest.raises(WeightsError, match="not the pinned ones"):
        registry.create_head(LINEAR[0], tmp_path).setup()


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (numbers(768), r"'weight' is float32 \[1, 768\], expected floats \[1, 512\]"),
        (np.full(512, np.nan, np.float32), "NaN"),
    ],
)
def test_a_layer_of_another_model_is_refused(tmp_path, weight, message):
    """A wrong width or a layer without numbers is named when it is loaded."""
    spec = replace(registry.get_spec(LINEAR[2]), sha256="")
    path = write_linear(tmp_path / spec.weights.file, weight, 0)
    with pytest.raises(WeightsError, match=message):
        Head(spec, path).setup()


@pytest.mark.parametrize("name", HEADS)
def test_missing_weights_name_the_file_and_its_place(name, tmp_path, monkeypatch):
    """Making a head without its file says which one to put where; the environment may name the directory."""
    file = registry.get_spec(name).weights.file
    with pytest.raises(WeightsNotFoundError, match=rf"this file is missing: {file.rpartition('/')[2]}") as caught:
        registry.create_head(name, tmp_path)
    assert str((tmp_path / file).parent) in str(caught.value)
    assert "there, from " in str(caught.value)
    state = registry.availability(registry.get_spec(name))
    assert not state.ok
    assert file in state.how_to_get
    assert "IMAGECURATOR_MODEL_DIR" in state.how_to_get
    own(name, tmp_path)
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(tmp_path))
    assert registry.availability(registry.get_spec(name)).ok
    if name in LINEAR:  # which is pinned, and those numbers are our own
        with pytest.raises(WeightsError, match="not the pinned"):
            registry.create_head(name)
    else:
        assert isinstance(registry.create_head(name), Head)


def test_heads_and_models_of_pictures_are_not_mixed_up():
    """Asking for one as the other says what it takes instead."""
    with pytest.raises(ModelError, match=r"takes embeddings of clip-vit-base-patch32, not pictures"):
        registry.create("sa_0_4_vit_b_32_linear")
    with pytest.raises(ModelError, match="'open-nsfw' takes pictures, not embeddings"):
        registry.create_head("open-nsfw")


def test_provenance_names_the_weights(tmp_path):
    """A pinned head is known by its pin, any other by its bytes; no runtime for graphs is among the libraries."""
    pinned = registry.provenance(LINEAR[0])
    assert pinned["model"] == {"name": LINEAR[0], "weights": registry.get_spec(LINEAR[0]).sha256}
    assert set(pinned["libraries"]) == {"numpy", "cpu"}
    found = set()
    for change in (0.0, 0.0, 1.0):
        tensors = aesthetic_tensors()
        tensors["layers.7.bias"] = tensors["layers.7.bias"] + np.float32(change)
        folder = tmp_path / str(len(found)) / str(change)
        write_aesthetic(folder, tensors)
        found.add(registry.provenance("sac-logos-ava1-l14-linearMSE", folder)["model"]["weights"])
    assert len(found) == 2
