from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.models.captions import captions
from tests.models.clip_towers import both_towers, forward, text_tensors, write_both, write_openclip
from tests.models.formula import clip_tensors
from tests.models.test_torch_file import storage, tensor, tree, write_zip

from nemo_curator.errors import ModelError, UnknownModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.numerics import Numerics, precisions, runtimes
from nemo_curator.models.prompts import prompt_rows
from nemo_curator.models.text_numerics import TEXT_RUNTIMES, text_numerics
from nemo_curator.models.tokenizers.clip_tokenizer import ClipTokenizer

NAME = "clip-vit-base-patch32"
TEXTS = ["a photo of a cat", "", "a watermarked photo", "красное платье", "dress " * 100, "a <|endoftext|> b", "🧿"]


def whole(tmp_path, name=NAME, dimension=512, **text):
    """A `model_dir` with a small CLIP of both towers in the place of a real one, and its configuration."""
    config = both_towers(32, dimension, **text)
    write_both(tmp_path / "openai" / name, config)
    return tmp_path, config


def loaded(model_dir, numerics=None, threads=1):
    """The text tower, ready to be called."""
    model = registry.create_text(NAME, model_dir, threads, numerics)
    model.setup()
    return model


@pytest.mark.parametrize("text", [{}, {"hidden_act": "gelu"}, {"eos_token_id": 2}, {"num_hidden_layers": 1}])
@pytest.mark.parametrize("runtime", runtimes())
def test_a_tower_is_what_its_description_says(tmp_path, text, runtime):
    """Rows are those of a plain forward over all 77 places in double precision, for either activation and old files."""
    model_dir, config = whole(tmp_path, **text)
    rows = loaded(model_dir, Numerics(runtime))(TEXTS)
    assert (rows.shape, rows.dtype) == ((len(TEXTS), 512), np.float32)
    expected = np.stack([forward(config, tokens) for tokens in ClipTokenizer()(TEXTS)])
    np.testing.assert_allclose(rows, expected, rtol=0, atol=2e-6)
    assert rows[0] @ rows[2] < 0.99


@pytest.mark.parametrize("numerics", [Numerics(one, two) for one in runtimes() for two in precisions(one)], ids=str)
def test_a_row_depends_on_its_text_alone(tmp_path, numerics):
    """Alone, among others, in another order, with another number of threads: a text has the same bits."""
    model_dir, _ = whole(tmp_path)
    texts = captions()[:120:7]
    rows = loaded(model_dir, numerics)(texts)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(loaded(model_dir, numerics, threads=2)(texts[::-1])[::-1], rows)
    model = loaded(model_dir, numerics)
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_array_equal(model([text])[0], row)
    assert model([]).shape == (0, 512)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_transformers_gives_the_same(tmp_path, activation):
    """`CLIPModel.get_text_features` agrees, where transformers is installed."""
    torch = pytest.importorskip("torch", reason="torch is for parity only")
    transformers = pytest.importorskip("transformers", reason="transformers is for parity only")
    model_dir, _ = whole(tmp_path, hidden_act=activation)
    rows = loaded(model_dir)(texts := captions()[:200:9])
    folder = str(model_dir / "openai" / NAME)
    model = transformers.CLIPModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.inference_mode():
        features = model.get_text_features(torch.from_numpy(ClipTokenizer()(texts))).pooler_output
    expected = torch.nn.functional.normalize(features.double()).numpy()
    assert (np.sum(rows * expected, axis=1) >= 0.99999).all()
    np.testing.assert_allclose(rows, expected, rtol=0, atol=2e-6)


def test_text_and_image_are_in_one_space(tmp_path):
    """Both towers of a model give rows of one length, by one specification."""
    model_dir, _ = whole(tmp_path)
    assert loaded(model_dir).spec is registry.get_spec(NAME)
    assert registry.load(NAME, model_dir=model_dir)(np.zeros((1, 224, 224, 3), np.uint8)).shape == (1, 512)


@pytest.mark.parametrize("custom", [False, True])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_a_tower_of_openclip_gives_the_same(tmp_path, activation, custom):
    """The same arrays in OpenCLIP's own layout, of plain models and of those with a separate text tower."""
    model_dir, _ = whole(tmp_path / "hf", hidden_act=activation)
    name = "openclip-vit-b-32-datacomp"
    place = registry.get_spec(name).weights.file.rpartition("/")[0]
    config = both_towers(32, 512, hidden_act=activation)
    write_openclip(tmp_path / "oc" / place, config, custom=custom)
    model = registry.create_text(name, tmp_path / "oc")
    model.setup()
    np.testing.assert_array_equal(model(TEXTS), loaded(model_dir)(TEXTS))
    assert model.scale() == pytest.approx(50)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"hf_model_name": "xlm-roberta-base"}, "its text tower has hf_model_name = 'xlm-roberta-base'"),
        ({"no_causal_mask": True}, "has no_causal_mask = True, which is not supported"),
        ({"pool_type": "last"}, "has pool_type = 'last'"),
        ({"context_length": 64}, "it was trained with another tokenizer"),
        (None, "it describes no text tower"),
    ],
)
def test_another_tower_of_openclip_is_told_before_a_run(tmp_path, text, words):
    """What is not CLIP's own text tower is refused when the model is made."""
    name = "openclip-vit-b-32-datacomp"
    place = tmp_path / registry.get_spec(name).weights.file.rpartition("/")[0]
    write_openclip(place, both_towers(32, 512), custom=False)
    config = json.loads((place / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"] = {} if text is None else {**config["model_cfg"]["text_cfg"], **text}
    (place / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError) as caught:
        registry.create_text(name, tmp_path)
    assert words in str(caught.value)


def test_a_model_that_is_named_by_its_place_has_its_text_tower(tmp_path):
    """A CLIP that is not registered is read like one that is; another kind of model has no text tower."""
    config = both_towers(32, 512)
    write_both(tmp_path / "mine" / "clip", {**config, "model_type": "clip"})
    write_both(tmp_path / "openai" / NAME, config)
    model = registry.create_text("mine/clip", tmp_path)
    model.setup()
    np.testing.assert_array_equal(model(TEXTS), loaded(tmp_path)(TEXTS))
    assert registry.create_text(f"openai/{NAME}", tmp_path).spec.name == NAME
    assert registry.text_provenance("mine/clip", tmp_path)["model"]["name"] == "mine/clip"
    with pytest.raises(ModelError, match="'siglip-base-patch16-224' has no text tower"):
        registry.create_text("siglip-base-patch16-224", tmp_path)


def test_texts_are_computed_in_full_precision_unless_somebody_asks():
    """Another runtime or precision is taken by name; what is not for texts, or not there, is told."""
    known = registry.get_spec(NAME).precisions
    fastest = next(one for one in TEXT_RUNTIMES if one in runtimes())
    assert text_numerics(known) == Numerics(fastest)
    assert text_numerics(known, "onnxruntime") == Numerics("onnxruntime")
    for one in precisions("onnxruntime", known):
        assert text_numerics(known, precision=one).precision == one
    for runtime, precision in (("abacus", None), (None, "bf61")):
        with pytest.raises(ModelError, match=r"no (runtime|precision)|is no precision"):
            text_numerics(known, runtime, precision)


def test_the_scale_is_read_from_the_weights(tmp_path):
    """What cosines are multiplied with stands in the file as a logarithm."""
    model_dir, _ = whole(tmp_path)
    assert registry.create_text(NAME, model_dir).scale() == pytest.approx(50)


def test_a_file_of_torch_gives_the_same(tmp_path):
    """pytorch_model.bin is read for texts as it is for pictures."""
    model_dir, config = whole(tmp_path)
    expected = loaded(model_dir)(TEXTS)
    folder = model_dir / "openai" / NAME
    (folder / "model.safetensors").unlink()
    entries, blocks = {}, {}
    for index, (name, array) in enumerate(text_tensors(config).items()):
        strides = tuple(step // 4 for step in array.strides)
        entries[name] = tensor(storage(str(index), count=array.size), 0, array.shape, strides)
        blocks[str(index)] = array.tobytes()
    write_zip(folder / "pytorch_model.bin", tree(**entries), blocks)
    np.testing.assert_array_equal(loaded(model_dir)(TEXTS), expected)
    assert registry.create_text(NAME, model_dir).scale() == pytest.approx(50)


def damaged(folder, change):
    """The weight file with its tensors changed."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors")


def test_weights_without_a_text_tower_are_told_before_a_run(tmp_path):
    """A file of the image tower alone is refused when the model is made."""
    model_dir, config = whole(tmp_path)
    folder = model_dir / "openai" / NAME
    save_file(clip_tensors(config), folder / "model.safetensors")
    with pytest.raises(WeightsError, match="the weights have no text tower") as caught:
        registry.create_text(NAME, model_dir)
    assert f"the hub repository openai/{NAME}" in caught.value.act


def test_another_projection_is_told_before_a_run(tmp_path):
    """A text tower of other sizes than the settings say is refused when the model is made."""
    model_dir, _ = whole(tmp_path)
    folder = model_dir / "openai" / NAME
    damaged(folder, lambda held: {**held, "text_projection.weight": held["text_projection.weight"][:, :8].copy()})
    with pytest.raises(WeightsError, match=r"is float32 \[512, 8\], expected floats \[512, 32\]"):
        registry.create_text(NAME, model_dir)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"vocab_size": 50000}, "it was trained with another tokenizer"),
        ({"max_position_embeddings": 64}, "it was trained with another tokenizer"),
        ({"eos_token_id": 5}, "it was trained with another tokenizer"),
        ({"hidden_act": "relu"}, "'relu' is not supported"),
        ({"num_attention_heads": 5}, "do not divide into heads"),
        ({"hidden_size": "wide"}, "expected a positive number"),
    ],
)
def test_another_tokenizer_or_tower_is_told_before_a_run(tmp_path, text, words):
    """Settings of a tower with other tokens, or one that is not known, are refused when the model is made."""
    config = both_towers(32, 512)
    folder = write_both(tmp_path / "openai" / NAME, config)
    config["text_config"].update(text)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError) as caught:
        registry.create_text(NAME, tmp_path)
    assert words in str(caught.value)


def test_another_clip_in_its_place_is_told_before_a_run(tmp_path):
    """Embeddings of another length are those of another model."""
    whole(tmp_path, dimension=64)
    with pytest.raises(WeightsError, match="embeddings of 64 numbers, clip-vit-base-patch32 of 512"):
        registry.create_text(NAME, tmp_path)


def test_missing_weights_are_told_before_a_run(tmp_path):
    """The message says which file to put where."""
    with pytest.raises(WeightsNotFoundError, match=r"model\.safetensors"):
        registry.create_text(NAME, tmp_path)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "open-nsfw", "clip-autokeras-binary-nsfw"])
def test_a_model_without_texts_is_refused(name):
    """Models of pictures alone, and heads, have no text tower; the message names those that have one."""
    with pytest.raises(ModelError, match=f"'{name}' has no text tower") as caught:
        registry.create_text(name)
    assert NAME in caught.value.act
    with pytest.raises(ModelError):
        registry.text_provenance(name)
    with pytest.raises(UnknownModelError):
        registry.create_text("clip-vit-base-patch23")


def test_it_is_sent_to_a_worker_before_it_is_loaded(tmp_path):
    """A model pickles before `setup` and says why it does not after."""
    model_dir, _ = whole(tmp_path)
    model = pickle.loads(pickle.dumps(registry.create_text(NAME, model_dir)))  # noqa: S301  our own
    with pytest.raises(ModelError, match="before setup"):
        model(["a"])
    model.setup()
    model.setup()
    assert model(["a"]).shape == (1, 512)
    with pytest.raises(TypeError, match="does not pickle after setup"):
        pickle.dumps(model)


def test_provenance_names_weights_settings_tokenizer_and_numerics(tmp_path):
    """All that the embedding of a text depends on is told."""
    model_dir, _ = whole(tmp_path)
    facts = registry.text_provenance(NAME, model_dir, Numerics("onnxruntime"))
    picture = registry.provenance(NAME, model_dir, Numerics("onnxruntime"))
    assert facts["model"].pop("tokenizer")["name"] == "clip-bpe"
    assert facts == picture


def test_prompts_are_embedded_once(tmp_path, monkeypatch):
    """The rows come from disk the next time, and others where anything that they depend on is another."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    model_dir, config = whole(tmp_path)
    rows = prompt_rows(NAME, TEXTS, model_dir)
    np.testing.assert_array_equal(rows, loaded(model_dir)(TEXTS))
    made = sorted((tmp_path / "cache" / "prompts").iterdir())
    assert [one.suffix for one in made] == [".float32", ".sha256"]
    np.testing.assert_array_equal(prompt_rows(NAME, TEXTS, model_dir), rows)
    assert sorted((tmp_path / "cache" / "prompts").iterdir()) == made
    prompt_rows(NAME, TEXTS[:1], model_dir)
    write_both(model_dir / "openai" / NAME, {**config, "text_config": {**config["text_config"], "hidden_act": "gelu"}})
    assert (prompt_rows(NAME, TEXTS, model_dir) != rows).any()
    assert len(list((tmp_path / "cache" / "prompts").iterdir())) == 6


def test_a_damaged_entry_of_prompts_is_computed_again(tmp_path, monkeypatch):
    """What does not match its seal is not used."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    model_dir, _ = whole(tmp_path)
    rows = prompt_rows(NAME, TEXTS, model_dir)
    (entry,) = (tmp_path / "cache" / "prompts").glob("*.float32")
    entry.write_bytes(b"\0" * entry.stat().st_size)
    np.testing.assert_array_equal(prompt_rows(NAME, TEXTS, model_dir), rows)
