from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.tiny_towers import TOWERS, openclip

from nemo_curator.errors import ModelError, WeightsError, WeightsNotFoundError
from nemo_curator.kernels.view import View
from nemo_curator.models import registry
from nemo_curator.models.layouts.choosing import layout_of, weights_in
from nemo_curator.models.layouts.preprocessing import words

CONFIG, PREPROCESSOR, OPENCLIP = "config.json", "preprocessor_config.json", "open_clip_config.json"


def change(folder, file, **entries):
    """Change entries of a settings file; an entry that is a mapping changes a section, None takes one away."""
    path = folder / file
    content = json.loads(path.read_text())
    for key, value in entries.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            content[key] = {k: v for k, v in {**content[key], **value}.items() if v is not None}
        elif value is None:
            content.pop(key, None)
        else:
            content[key] = value
    path.write_text(json.dumps(content))


def described(name, tmp_path, file="", **entries):
    """What is read of a tiny tower's folder whose settings were changed."""
    weights = TOWERS[name].write(tmp_path)
    if file:
        change(tmp_path, file, **entries)
    return layout_of(weights).describe(tmp_path)


VIEWS = {
    "clip": View(48, fit="short", crop=48, centre="down"),
    "openclip": View(40, fit="short", crop=40),
    "openclip-quick": View(40, fit="squash", filter="bilinear"),
    "siglip": View(40, fit="squash", filter="bilinear"),
    "siglip-alone": View(44, fit="squash", filter="bilinear"),
    "dinov2": View(46, fit="short", crop=40, centre="down"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_and_sizes_are_those_of_the_settings(name, tmp_path):
    """How a picture is resized, by which filter and to what, is read, and so is the length of the embedding."""
    found = described(name, tmp_path)
    assert found.view == VIEWS[name]
    assert (found.tower.side, found.tower.dimension) == (TOWERS[name].side, TOWERS[name].dimension)


@pytest.mark.parametrize(("name", "file", "entries", "message"), [
    ("siglip", CONFIG, {"vision_config": {"hidden_act": "relu"}}, "the activation 'relu' is not supported"),
    ("siglip", CONFIG, {"vision_config": {"vision_use_head": False}}, "no head"),
    ("siglip", CONFIG, {"vision_config": {"num_attention_heads": 5}}, "do not divide"),
    ("siglip", CONFIG, {"vision_config": {"patch_size": 41}}, "do not divide"),
    ("siglip", CONFIG, {"vision_config": {"image_size": 48}}, "48 pixels a side here, .* resizes both sides to 40"),
    ("siglip", CONFIG, {"vision_config": {"image_size": [40, 48]}}, r"image_size is \[40, 48\], .* a square"),
    ("siglip", CONFIG, {"vision_config": {"hidden_size": 32.5}}, "expected a whole number"),
    ("siglip", CONFIG, {"vision_config": {"num_hidden_layers": -1}}, "expected a positive number"),
    ("siglip", CONFIG, {"vision_config": {"layer_norm_eps": float("inf")}}, "expected a positive number"),
    ("siglip", CONFIG, {"vision_config": {"layer_norm_eps": float("nan")}}, "expected a positive number"),
    ("siglip", CONFIG, {"model_type": "siglip2"}, "kind 'siglip2'; image towers are read of clip, siglip"),
    ("siglip", CONFIG, {"model_type": None}, "kind None"),
    ("siglip", CONFIG, {"model_type": ["siglip"]}, "kind"),
    ("siglip", PREPROCESSOR, {"do_resize": False}, "do_resize is false"),
    ("siglip", PREPROCESSOR, {"do_rescale": False}, "do_rescale is false"),
    ("siglip", PREPROCESSOR, {"do_normalize": False}, "do_normalize is false"),
    ("siglip", PREPROCESSOR, {"do_resize": "no"}, "expected true or false"),
    ("siglip", PREPROCESSOR, {"rescale_factor": 1.0}, "expected 1/255"),
    ("siglip", PREPROCESSOR, {"resample": 0}, "filter 0"),
    ("siglip", PREPROCESSOR, {"resample": [3]}, "filter"),
    ("siglip", PREPROCESSOR, {"size": {"height": 40, "width": 41, "longest_edge": 3}}, "a square"),
    ("siglip", PREPROCESSOR, {"size": {"height": 40, "width": 44}}, "a square"),
    ("siglip", PREPROCESSOR, {"size": 0}, "a square"),
    ("siglip", PREPROCESSOR, {"image_mean": [0.5, 0.5]}, "three numbers"),
    ("siglip", PREPROCESSOR, {"image_mean": [0.5, 0.5, 10**400]}, "three numbers"),
    ("siglip", PREPROCESSOR, {"image_std": [0.5, 0.0, 0.5]}, "positive numbers"),
    ("dinov2", PREPROCESSOR, {"do_center_crop": False}, "would not be square"),
    ("dinov2", PREPROCESSOR, {"crop_size": {"height": 48, "width": 48}}, "crop_size is 48, more than the 46"),
    ("dinov2", CONFIG, {"use_swiglu_ffn": True}, r"gated \(SwiGLU\), which is not supported"),
    ("dinov2", CONFIG, {"patch_size": 80}, "do not divide"),
    ("openclip", OPENCLIP, {"model_cfg": []}, "model_cfg is no section"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {}}}, "no image tower"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"layers": [3, 4, 6, 3]}}}, "a residual network"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"width": 32, "qk_norm": True}}}, "qk_norm = True"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"width": 32, "pool_type": "avg"}}}, "pool_type = 'avg'"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"width": 32, "attentional_pool": True}}}, "attentional_pool"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"width": 32, "new_in_2030": 7}}}, "new_in_2030 = 7"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"width": 32, "act_kwargs": {"a": 1}}}}, "act_kwargs"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"timm_model_name": "eva02_base"}}}, "'eva02_base' of timm"),
    ("openclip", OPENCLIP, {"model_cfg": {"vision_cfg": {"timm_model_name": 3}}}, "3 of timm"),
    ("openclip", OPENCLIP, {"preprocess_cfg": {"resize_mode": "longest"}}, "'longest', which is not supported"),
    ("openclip", OPENCLIP, {"preprocess_cfg": {"interpolation": "nearest"}}, "'nearest'"),
    ("openclip", OPENCLIP, {"preprocess_cfg": {"interpolation": ["bicubic"]}}, "not supported"),
    ("openclip", OPENCLIP, {"preprocess_cfg": {"size": 48}}, "cut to 48 and the model takes 40"),
    ("openclip", OPENCLIP, {"preprocess_cfg": {"std": [1, 1, -1]}}, "positive numbers"),
])  # fmt: skip
def test_settings_that_are_not_supported_are_refused(name, file, entries, message, tmp_path):
    """What a tower cannot honour is named with its file, before any weights are read."""
    with pytest.raises(WeightsError, match=message) as caught:
        described(name, tmp_path, file, **entries)
    assert file in str(caught.value)


@pytest.mark.parametrize(("entries", "expected"), [
    ({"timm_model_name": "vit_base_patch16_siglip_224", "image_size": 224}, (768, 12, 12, 3072, 16, "gelu")),
    ({"timm_model_name": "vit_large_patch16_siglip_384", "image_size": 384}, (1024, 24, 16, 4096, 16, "gelu")),
    ({"timm_model_name": "vit_so400m_patch14_siglip_378", "image_size": 378}, (1152, 27, 16, 4304, 14, "gelu")),
    ({"timm_model_name": "vit_so400m_patch16_siglip_512", "image_size": 512}, (1152, 27, 16, 4304, 16, "gelu_tanh")),
    ({"timm_model_name": "vit_giantopt_patch16_siglip_256", "image_size": 256}, (1536, 40, 16, 6144, 16, "gelu_tanh")),
])  # fmt: skip
def test_a_siglip_of_timm_is_known_by_its_name(entries, expected, tmp_path):
    """Sizes and activation, which OpenCLIP's file leaves to timm, are those that timm builds under that name."""
    vision = {"timm_model_pretrained": False, "timm_pool": "map", "timm_proj": "none", **entries}
    squashed = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    model = {"embed_dim": expected[0], "custom_text": True, "vision_cfg": vision}
    (tmp_path / OPENCLIP).write_text(json.dumps({"model_cfg": model, "preprocess_cfg": squashed}))
    found = layout_of(tmp_path / "open_clip_model.safetensors").describe(tmp_path)
    tower = found.tower
    assert (tower.width, tower.layers, tower.heads, tower.hidden, tower.patch, tower.activation) == expected
    assert found.view == View(entries["image_size"], fit="squash")
    for wrong, message in (
        ({"embed_dim": 512}, "embed_dim is 512"),
        ({"vision_cfg": {**vision, "image_size": 96}}, "96"),
    ):
        content = {"model_cfg": {**model, **wrong}, "preprocess_cfg": squashed}
        (tmp_path / OPENCLIP).write_text(json.dumps(content))
        with pytest.raises(WeightsError, match=message):
            layout_of(tmp_path / "open_clip_model.safetensors").describe(tmp_path)


@pytest.mark.parametrize(("given", "activation"), [
    ({}, "gelu"),
    ({"act_kwargs": {"approximate": "tanh"}}, "gelu_tanh"),
    ({"act_kwargs": {"approximate": "none"}}, "gelu"),
    ({"act_kwargs": None, "norm_kwargs": {"eps": 1e-6}, "no_ln_pre": None, "patch_dropout": 0.5}, "gelu"),
])  # fmt: skip
def test_variants_of_openclip_are_read(given, activation, tmp_path):
    """An exact, an approximate activation, another epsilon; what only training uses changes nothing."""
    plain = TOWERS["openclip"].settings[OPENCLIP]["model_cfg"]["vision_cfg"]
    found = described("openclip", tmp_path, OPENCLIP, model_cfg={"vision_cfg": {**plain, **given}})
    assert found.tower.activation == activation
    assert found.tower.epsilon == given.get("norm_kwargs", {}).get("eps", 1e-5)


@pytest.mark.parametrize("name", ["clip", "openclip", "siglip", "dinov2"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000, b'{"a": "' + b"x" * (1 << 20) + b'"}'])
def test_a_damaged_settings_file_is_refused(name, content, tmp_path):
    """What is no JSON object, or nested or long without end, is one sentence with the file's name."""
    for file in TOWERS[name].settings:
        weights = TOWERS[name].write(tmp_path)
        (tmp_path / file).write_bytes(content)
        with pytest.raises(WeightsError, match=file.replace(".", r"\.")):
            layout_of(weights).describe(tmp_path)


@pytest.mark.parametrize("name", ["clip", "openclip", "siglip", "dinov2"])
def test_missing_settings_are_named(name, tmp_path):
    """Each file that a layout cannot do without is named where it is not there."""
    for file in TOWERS[name].settings:
        weights = TOWERS[name].write(tmp_path)
        (tmp_path / file).unlink()
        with pytest.raises(WeightsNotFoundError, match=file.replace(".", r"\.")):
            layout_of(weights).describe(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["clip", "openclip", "openclip-quick", "siglip", "dinov2-registers"]))
def test_hostile_settings_end_in_a_sentence(data, name, tmp_path):
    """Whatever stands in the place of a setting, the folder is read or refused with an error of ours."""
    tiny = TOWERS[name]
    weights = tiny.write(tmp_path)
    file = data.draw(st.sampled_from(sorted(tiny.settings)))
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=5,
    )

    def spoilt(content):
        if isinstance(content, dict) and content and data.draw(st.booleans()):
            key = data.draw(st.sampled_from(sorted(content)))
            return {**content, key: spoilt(content[key])}
        return data.draw(anything)

    (tmp_path / file).write_text(json.dumps(spoilt(tiny.settings[file])))
    try:
        found = layout_of(weights).describe(tmp_path)
    except ModelError as error:
        assert any(name in str(error) for name in tiny.settings)  # noqa: PT017  both ends are right
    else:
        assert found.tower.side in {found.view.size, found.view.crop}


def test_the_layout_is_told_by_what_lies_there(tmp_path):
    """A folder with OpenCLIP's files has its layout, also beside those of another; an empty folder has none."""
    with pytest.raises(
        WeightsNotFoundError, match=r"config\.json and model\.safetensors or .*open_clip_config\.json and"
    ):
        weights_in(tmp_path)
    TOWERS["clip"].write(tmp_path)
    assert weights_in(tmp_path).name == "model.safetensors"
    assert layout_of(weights_in(tmp_path)).name == "CLIP of Hugging Face"
    openclip(quick=False, scaled=False, squashed=False).write(tmp_path)
    assert weights_in(tmp_path).name == "open_clip_model.safetensors"
    assert layout_of(weights_in(tmp_path)).name == "OpenCLIP"
    (tmp_path / OPENCLIP).unlink()
    assert weights_in(tmp_path).name == "model.safetensors"


def test_a_view_in_words():
    """The two kinds of views are told apart."""
    assert words(View(256, crop=224)) == "the short side to 256, bicubic, centre 224"
    assert words(View(224, fit="squash", filter="bilinear")) == "both sides to 224, bilinear"


@pytest.mark.parametrize("name", ["openclip", "siglip", "dinov2", "clip"])
def test_weights_that_do_not_fit_their_settings_are_refused(name, tmp_path):
    """An array that is missing, of another shape, or not finite is named, and so is a file that ends too early."""
    from safetensors.numpy import save_file

    tiny = TOWERS[name]
    path = tiny.write(tmp_path / "owner" / name)
    key = next(key for key in tiny.tensors if key.endswith(("fc2.weight", "c_proj.weight")))
    broken = {
        "no tensor": {k: v for k, v in tiny.tensors.items() if k != key},
        "expected floats": {**tiny.tensors, key: tiny.tensors[key][:-1]},
        "NaN or infinity": {**tiny.tensors, key: np.full_like(tiny.tensors[key], np.nan)},
    }
    for message, tensors in broken.items():
        save_file(tensors, path)
        with pytest.raises(WeightsError, match=message):
            registry.load(f"owner/{name}", model_dir=tmp_path)
    tiny.write(path.parent)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WeightsError, match="not readable as safetensors"):
        registry.load(f"owner/{name}", model_dir=tmp_path)
