from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from tests.models.formula import pictures
from tests.models.torch_reference import clip as torch_clip
from tests.models.torch_reference import write_clip

from nemo_curator.errors import ModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.clip import CLIPImageEmbeddings, ClipVisionTower
from nemo_curator.models.clip_config import clip_view

MODEL_ID = "openai/clip-vit-large-patch14"


@pytest.fixture(params=["quick_gelu", "gelu"])
def activation(request):
    """Both activations that CLIP models use."""
    return request.param


@pytest.fixture
def model_dir(tmp_path, activation):
    """A tiny CLIP, in the layout of a user's model_dir."""
    write_clip(tmp_path / MODEL_ID, activation)
    return tmp_path


@pytest.fixture
def model(model_dir):
    """The tiny CLIP, loaded."""
    loaded = CLIPImageEmbeddings(model_dir)
    loaded.setup()
    return loaded


def change(model_dir, file, **entries):
    """Change entries of a configuration file."""
    path = model_dir / MODEL_ID / file
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **entries}))


def test_golden_values_by_transformers_are_met(model, activation, golden):
    """Embeddings equal those of transformers' CLIPModel with the same weights."""
    expected = np.load(golden / "clip_tiny.npz")[activation]
    rows = model(pictures(3, 48))
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)
    assert (np.sum(rows.astype(np.float64) * expected, axis=1) >= 0.99999).all()


def test_the_activation_is_the_configured_one(golden):
    """The two golden sets differ by more than the tolerance, so that they prove which one ran."""
    expected = np.load(golden / "clip_tiny.npz")
    assert np.abs(expected["gelu"] - expected["quick_gelu"]).max() > 1e-4


@pytest.mark.filterwarnings("default")
def test_transformers_is_met(model, model_dir):
    """The same against transformers itself, where it is installed."""
    pytest.importorskip("torch", reason="torch is for parity only")
    pytest.importorskip("transformers", reason="transformers is for parity only")
    batch = pictures(5, 48)
    cosines = np.sum(model(batch).astype(np.float64) * torch_clip(model_dir / MODEL_ID, batch), axis=1)
    assert (cosines >= 0.99999).all()


def test_embeddings_are_unit_rows_and_their_own(model):
    """float32 of unit norm; a row is the same to the last bit alone and among 32."""
    batch = pictures(32, 48)
    rows = model(batch)
    assert rows.shape == (32, 24)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(np.concatenate([model(batch[i : i + 1]) for i in range(32)]), rows)
    np.testing.assert_array_equal(model(batch[3:6]), rows[3:6])


def test_pictures_of_any_size_are_cut_to_the_view(model):
    """A list of sizes gives what Pillow's own bicubic resize and a centre crop give, in order."""
    from PIL import Image

    tall = np.ascontiguousarray(pictures(1, 96)[0][:, :60])
    wide = np.ascontiguousarray(pictures(1, 200)[0][:70])
    small = pictures(1, 20)[0]
    exact = pictures(1, 48)[0]
    # 60 x 96 becomes 48 x 76 (76.8, truncated) and loses 14 rows above
    by_hand = np.asarray(Image.fromarray(tall).resize((48, 76), Image.Resampling.BICUBIC))[14:62]
    rows = model([tall, wide, small, exact])
    np.testing.assert_array_equal(rows[0], model(by_hand[None])[0])
    np.testing.assert_array_equal(rows[3], model(exact[None])[0])
    np.testing.assert_array_equal(model([wide])[0], rows[1])
    assert rows.shape == (4, 24)


def test_nothing_gives_no_rows(model):
    """An empty list and an empty batch give (0, D)."""
    assert model([]).shape == (0, 24)
    assert model(pictures(1, 48)[:0]).shape == (0, 24)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)],
)
def test_a_picture_that_is_none_is_refused(model, picture):
    """The error says what is expected."""
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\)"):
        model([picture])


def test_the_normalisation_is_the_configured_one(model, model_dir):
    """Another mean and deviation give other embeddings: those of pixels changed alike."""
    change(model_dir, "preprocessor_config.json", image_mean=[0, 0, 0], image_std=[1, 1, 1], size={"shortest_edge": 48})
    other = CLIPImageEmbeddings(model_dir)
    other.setup()
    assert np.abs(other(pictures(2, 48)) - model(pictures(2, 48))).max() > 1e-2


def test_half_precision_weights_are_read(model, model_dir):
    """float16 tensors become float32, and the embeddings barely move."""
    from safetensors.numpy import load_file, save_file

    path = model_dir / MODEL_ID / "model.safetensors"
    save_file({name: array.astype(np.float16) for name, array in load_file(path).items()}, path)
    half = CLIPImageEmbeddings(model_dir)
    half.setup()
    cosines = np.sum(half(pictures(2, 48)) * model(pictures(2, 48)), axis=1)
    assert (cosines > 0.999).all()


def test_the_text_tower_is_left_on_disk(model, model_dir):
    """A full CLIP file, text and all, gives the same embeddings."""
    from safetensors.numpy import load_file, save_file

    path = model_dir / MODEL_ID / "model.safetensors"
    text = {
        "text_model.embeddings.token_embedding.weight": np.zeros((9, 8), np.float32),
        "logit_scale": np.ones((), np.float32),
    }
    save_file({**load_file(path), **text}, path)
    full = CLIPImageEmbeddings(model_dir)
    full.setup()
    np.testing.assert_array_equal(full(pictures(2, 48)), model(pictures(2, 48)))


@pytest.mark.parametrize(
    ("file", "entries", "message"),
    [
        ("config.json", {"vision_config": {"hidden_act": "relu"}}, "activation 'relu'"),
        ("config.json", {"vision_config": {"hidden_size": 30, "num_attention_heads": 4}}, "do not divide"),
        ("config.json", {"vision_config": {"hidden_size": "x"}}, "positive number"),
        ("config.json", {"vision_config": []}, "no section"),
        ("config.json", {"projection_dim": 25}, r"visual_projection\.weight"),
        ("preprocessor_config.json", {"size": 336}, "resizes the short side to 336"),
        ("preprocessor_config.json", {"size": 48, "resample": 2}, "to 48, bilinear, .* expected .* bicubic"),
        ("preprocessor_config.json", {"image_mean": [0]}, "three numbers"),
    ],
)
def test_a_configuration_of_another_model_is_refused(model_dir, file, entries, message):
    """Each setting that is not supported or does not fit the weights is named with its file."""
    change(model_dir, file, **entries)
    with pytest.raises(WeightsError, match=message):
        CLIPImageEmbeddings(model_dir).setup()


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_configuration_is_refused(model_dir, content):
    """A file that is no JSON object is named."""
    (model_dir / MODEL_ID / "config.json").write_text(content)
    with pytest.raises(WeightsError, match=r"config\.json"):
        CLIPImageEmbeddings(model_dir).setup()


def test_missing_files_are_named(model_dir, tmp_path):
    """Weights or configuration that are not there are said so, with the place."""
    (model_dir / MODEL_ID / "config.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"config\.json"):
        CLIPImageEmbeddings(model_dir).setup()
    with pytest.raises(WeightsNotFoundError, match=r"model\.safetensors"):
        CLIPImageEmbeddings(tmp_path / "elsewhere").setup()


def test_downloading_names_what_is_missing_and_skips_what_is_there(model_dir, monkeypatch):
    """Without the hub's client the missing file is named; with all files there nothing happens."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WeightsNotFoundError, match=r"missing: preprocessor_config\.json"):
        CLIPImageEmbeddings.download_weights_on_node(model_dir)
    change(model_dir, "preprocessor_config.json", size=48)
    CLIPImageEmbeddings.download_weights_on_node(model_dir)


def test_it_travels_before_setup_only(model_dir, model):
    """An unloaded model pickles, a loaded one says why it does not."""
    arrived = pickle.loads(pickle.dumps(CLIPImageEmbeddings(str(model_dir))))  # noqa: S301  our own bytes
    arrived.setup()
    np.testing.assert_array_equal(arrived(pictures(1, 48)), model(pictures(1, 48)))
    with pytest.raises(TypeError, match="before"):
        pickle.dumps(model)


def test_a_call_before_setup_is_said_so():
    """The error names what was forgotten."""
    with pytest.raises(ModelError, match="before setup"):
        CLIPImageEmbeddings("anywhere")([])


def test_the_registry_gives_the_same_embeddings(model, model_dir):
    """Behind the registry the same weights give the same rows, so that a stage need not know CLIP."""
    spec = replace(registry.get_spec("clip-vit-large-patch14"), dimension=24, view=clip_view(48), patch=16)
    loaded = ClipVisionTower(spec, spec.weights.find(model_dir))
    loaded.setup()
    np.testing.assert_array_equal(loaded(pictures(2, 48)), model(pictures(2, 48)))


def test_another_clip_in_the_place_of_a_registered_one_is_refused(model_dir):
    """A head trusts the name of an embedding, so files that give another length do not pass under that name."""
    with pytest.raises(WeightsError, match=r"embeddings of 24 numbers, clip-vit-large-patch14 of 768"):
        registry.load("clip-vit-large-patch14", model_dir=model_dir)


def test_model_ids_are_those_of_the_layout():
    """The id is the folder under model_dir."""
    assert CLIPImageEmbeddings.model_id_names() == [MODEL_ID]
