from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from tests.models.formula import pictures
from tests.models.tiny_towers import CLIP_MEAN, CLIP_STD, TOWERS, clip

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.kernels.view import View
from nemo_curator.models import registry
from nemo_curator.models.embedders import EMBEDDERS
from nemo_curator.models.layouts import openclip as openclip_layout
from nemo_curator.models.layouts.choosing import layout_of
from nemo_curator.models.published_tower import expect


def squashed(side, filter_number, **more):
    """A preprocessor file of SigLIP's."""
    half = {"image_mean": [0.5] * 3, "image_processor_type": "SiglipImageProcessor", "image_std": [0.5] * 3}
    steps = {"do_normalize": True, "do_rescale": True, "do_resize": True}
    scale = {"resample": filter_number, "rescale_factor": 0.00392156862745098, "size": {"height": side, "width": side}}
    return {**more, **steps, **half, "processor_class": "SiglipProcessor", **scale}


def siglip_config(text, vision, **more):
    """A configuration file of SigLIP's."""
    kinds = {"text_config": {**text, "model_type": "siglip_text_model"}}
    kinds["vision_config"] = {**vision, "model_type": "siglip_vision_model"}
    return {"initializer_factor": 1.0, "model_type": "siglip", **kinds, **more}


def dinov2_config(width, layers, heads, version):
    """A configuration file of DINOv2's."""
    idle = {"attention_probs_dropout_prob": 0.0, "drop_path_rate": 0.0, "hidden_dropout_prob": 0.0}
    sizes = {"hidden_size": width, "num_attention_heads": heads, "num_hidden_layers": layers, "num_channels": 3}
    fixed = {"image_size": 518, "patch_size": 14, "mlp_ratio": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-06}
    other = {"initializer_range": 0.02, "layerscale_value": 1.0, "qkv_bias": True, "use_swiglu_ffn": False}
    made = {"architectures": ["Dinov2Model"], "torch_dtype": "float32", "transformers_version": version}
    return {**idle, **sizes, **fixed, **other, **made, "model_type": "dinov2"}


DINOV2_PREPROCESSOR = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}
BASE_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "vocab_size": 32000}
SO_TEXT = {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27}
SO_VISION = {**SO_TEXT, "image_size": 384, "patch_size": 14}
V1 = {"architectures": ["SiglipModel"], "torch_dtype": "float32", "transformers_version": "4.37.0.dev0"}

# name to the two published settings files, each with the SHA-256 that the published one has
PUBLISHED = {
    "siglip-base-patch16-224": (
        (siglip_config(BASE_TEXT, {"patch_size": 16}, **V1), "cd85b3d28829722820bcb89a2cfbb416"),
        (squashed(224, 3), "d11ccb80f15d358a11bdb070e92e2d88"),
    ),
    "siglip-so400m-patch14-384": (
        (siglip_config(SO_TEXT, SO_VISION, **V1), "adc04928d8fd19a61822584fe0cf2e81"),
        (squashed(384, 3), "f59da2f87c3cd079bd4f8f3037e81b27"),
    ),
    "siglip2-base-patch16-224": (
        (
            siglip_config({"vocab_size": 256000}, {}, transformers_version="4.49.0.dev0"),
            "fe8b5fe6d5734360678fd71c11c21e1e",
        ),
        (squashed(224, 2, do_convert_rgb=None), "9b36b57ebaf20f09bf4c22100ccc2187"),
    ),
    "dinov2-small": (
        (dinov2_config(384, 12, 6, "4.32.0.dev0"), "1809f83e3bdb1609a501a610ad4a742f"),
        (DINOV2_PREPROCESSOR, "14e780d86fa1861f8751f868d7f45425"),
    ),
    "dinov2-base": (
        (dinov2_config(768, 12, 12, "4.31.0.dev0"), "f7ff4cfa73d2f70647dbf6950541ad25"),
        (DINOV2_PREPROCESSOR, "14e780d86fa1861f8751f868d7f45425"),
    ),
    "dinov2-large": (
        (dinov2_config(1024, 24, 16, "4.31.0.dev0"), "12df51c069a2dc1305e34ba71ef58bc2"),
        (DINOV2_PREPROCESSOR, "14e780d86fa1861f8751f868d7f45425"),
    ),
}
# width, layers, heads, length of a token inside a perceptron, tokens of a picture
SIZES = {
    "siglip-base-patch16-224": (768, 12, 12, 3072, 196),
    "siglip-so400m-patch14-384": (1152, 27, 16, 4304, 729),
    "siglip2-base-patch16-224": (768, 12, 12, 3072, 196),
    "dinov2-small": (384, 12, 6, 1536, 256),
    "dinov2-base": (768, 12, 12, 3072, 256),
    "dinov2-large": (1024, 24, 16, 4096, 256),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_entry_says_what_the_published_settings_say(name, tmp_path):
    """View, dimension and patch of each entry are those of the settings files on the hub, known by their hashes."""
    for file, (content, digest) in zip(("config.json", "preprocessor_config.json"), PUBLISHED[name], strict=True):
        data = (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
        assert hashlib.sha256(data).hexdigest().startswith(digest)
        (tmp_path / file).write_bytes(data)
    found = layout_of(tmp_path / "model.safetensors").describe(tmp_path)
    expect(registry.get_spec(name), found, tmp_path)
    tower = found.tower
    assert (tower.width, tower.layers, tower.heads, tower.hidden, tower.patches) == SIZES[name]
    assert tower.epsilon == 1e-6
    assert tower.activation == ("gelu" if name.startswith("dinov2") else "gelu_tanh")


@pytest.mark.parametrize("name", [spec.name for spec in EMBEDDERS if spec.name.startswith("openclip")])
def test_an_entry_of_openclip_fits_its_settings(name, tmp_path):
    """View, dimension and patch of each entry are those of a tower of that size with OpenCLIP's own view."""
    spec = registry.get_spec(name)
    width, layers = (1024, 24) if "-l-" in name else (768, 12)
    vision = {"image_size": 224, "layers": layers, "width": width, "patch_size": int(name.split("-")[3])}
    model = {"embed_dim": 768 if "-l-" in name else 512, "vision_cfg": vision, "text_cfg": {"context_length": 77}}
    content = {"model_cfg": model, "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
    found = openclip_layout.describe(tmp_path)
    expect(spec, found, tmp_path)
    assert found.tower.heads * 64 == width
    assert found.tower.hidden == 4 * width
    assert spec.licence == "MIT"


def test_every_entry_is_complete():
    """Each says where its weights come from, under which licence, and that it may run in whole numbers or 16 bits."""
    assert len({spec.name for spec in EMBEDDERS}) == len(EMBEDDERS)
    for spec in EMBEDDERS:
        assert spec in registry.specs("embedding")
        assert spec.weights.origin.startswith("the hub repository ")
        assert spec.licence in {"MIT", "Apache-2.0"}
        assert spec.precisions == ("int8", "bf16", "fp16")
        assert spec.patch > 0
        assert spec.view.crop or spec.view.fit == "squash"


MODELS = {
    "openclip-vit-b-32-laion2b": "openclip",
    "siglip2-base-patch16-224": "siglip",
    "dinov2-base": "dinov2",
    "clip-vit-base-patch32": "clip",
}


VIEWS = {
    "openclip": View(40, crop=40),
    "siglip": View(40, fit="squash", filter="bilinear"),
    "dinov2": View(46, crop=40),
    "clip": View(48, crop=48),
}


def small(name):
    """A registered entry as it would be for the tiny tower of its layout."""
    tiny = MODELS[name]
    patch = 16 if tiny == "clip" else 8
    return replace(registry.get_spec(name), view=VIEWS[tiny], dimension=TOWERS[tiny].dimension, patch=patch)


@pytest.mark.parametrize("name", MODELS)
def test_a_tower_loads_under_its_name(name, tmp_path, monkeypatch):
    """From the place of its repository each registered tower gives unit rows of its dimension."""
    tiny = TOWERS[MODELS[name]]
    spec = small(name)
    monkeypatch.setitem(registry._SPECS, name, spec)
    tiny.write((tmp_path / spec.weights.file).parent)
    rows = registry.load(name, model_dir=tmp_path)(pictures(2, tiny.side))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert rows.shape == (2, tiny.dimension)
    assert registry.provenance(name, tmp_path)["model"]["settings"].keys() == tiny.settings.keys()


@pytest.mark.parametrize(("changes", "message"), [
    ({"dimension": 25}, r"gives embeddings of \d+ numbers, {name} of 25"),
    ({"view": View(224)}, r"resizes .*, {name} the short side to 224, bicubic"),
    ({"patch": 14}, r"cuts patches of \d+ pixels, {name} of 14"),
])  # fmt: skip
@pytest.mark.parametrize("name", MODELS)
def test_another_model_in_the_place_of_a_registered_one_is_refused(name, changes, message, tmp_path, monkeypatch):
    """Its dimension, view or patches betray it, when the model is made and before any weights are read."""
    tiny = TOWERS[MODELS[name]]
    spec = replace(small(name), **changes)
    monkeypatch.setitem(registry._SPECS, name, spec)
    weights = tiny.write((tmp_path / spec.weights.file).parent)
    weights.write_bytes(b"never read")
    with pytest.raises(WeightsError, match=message.format(name=name)) as caught:
        registry.create(name, model_dir=tmp_path)
    assert "the files of another model lie in its place" in str(caught.value)


def test_siglip_of_one_generation_does_not_pass_for_the_other(tmp_path):
    """Both have the same shape; the filter that their views are cut with tells them apart."""
    place = tmp_path / "google" / "siglip2-base-patch16-224"
    place.mkdir(parents=True)
    for file, (content, _) in zip(
        ("config.json", "preprocessor_config.json"), PUBLISHED["siglip-base-patch16-224"], strict=True
    ):
        (place / file).write_text(json.dumps(content))
    (place / "model.safetensors").write_bytes(b"never read")
    with pytest.raises(WeightsError, match=r"resizes both sides to 224, bicubic, .* both sides to 224, bilinear"):
        registry.create("siglip2-base-patch16-224", model_dir=tmp_path)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_missing_settings_are_told_before_a_run(file, tmp_path):
    """Files that belong beside the weights are looked for when the model is made."""
    spec = registry.get_spec("dinov2-small")
    weights = TOWERS["dinov2"].write((tmp_path / spec.weights.file).parent)
    (weights.parent / file).unlink()
    with pytest.raises(WeightsNotFoundError, match=file.replace(".", r"\.")):
        registry.create("dinov2-small", model_dir=tmp_path)


def test_a_repository_in_another_layout_serves_too(tmp_path, monkeypatch):
    """LAION's repositories hold the same weights in two layouts; whichever lies there is read, with its settings."""
    name = "openclip-vit-b-32-laion2b"
    spec = small(name)
    folder = (tmp_path / spec.weights.file).parent
    other = clip("gelu")
    other.write(folder)
    monkeypatch.setitem(registry._SPECS, name, replace(spec, view=View(48, crop=48), patch=16))
    model = registry.load(name, model_dir=tmp_path)
    assert model(pictures(1, 48)).shape == (1, 24)
    assert registry.provenance(name, tmp_path)["model"]["settings"].keys() == {"config.json"}
    (folder / "config.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"config\.json"):
        registry.create(name, model_dir=tmp_path)
