"""What is said of weights that are missing or wrong."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.numpy import load_file, save_file
from tests.models.clip_towers import both_towers, write_both
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.test_inventory import published
from tests.models.torch_reference import write_tower

from nemo_curator.errors import NoTextTowerError, UnknownModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.inventory import check
from nemo_curator.models.spec import UserWeights

NAME = "clip-vit-base-patch32"


@pytest.fixture
def folder(tmp_path):
    """A small CLIP of both towers in the place of ViT-B/32."""
    return write_both(tmp_path / "openai" / NAME, both_towers(32, 512))


def without_text(folder):
    """The weights in a folder, of the image tower alone."""
    held = load_file(folder / "model.safetensors")
    save_file({name: one for name, one in held.items() if "text" not in name}, folder / "model.safetensors")


def test_all_that_is_missing_is_told_at_once(tmp_path):
    """Weights and settings in one sentence, with the folder, the command that fetches them, and the address."""
    with pytest.raises(WeightsNotFoundError) as caught:
        registry.get_spec(NAME).weights.find(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'openai' / NAME}: these files are missing: ")
    assert "missing: model.safetensors or pytorch_model.bin and config.json" in said
    assert f"run `imagecurator models get {NAME} --model-dir {tmp_path}`, or put them there" in said
    assert "https://huggingface.co/openai/clip-vit-base-patch32/tree/3d74acf9" in said
    assert isinstance(caught.value, FileNotFoundError)


def test_settings_are_told_with_weights_of_either_layout(tmp_path):
    """Of weights that are published in two layouts the settings of the published files are named with them."""
    with pytest.raises(WeightsNotFoundError, match=r"missing: open_clip_model\.safetensors or .* and open_clip_config"):
        registry.get_spec("openclip-vit-b-32-laion2b").weights.find(tmp_path)


def test_the_environment_need_not_be_repeated(tmp_path, monkeypatch):
    """Where the variable names the directory, the command needs no option."""
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(tmp_path))
    with pytest.raises(WeightsNotFoundError, match=f"run `imagecurator models get {NAME}`, or"):
        registry.get_spec(NAME).weights.find(None)


def test_every_model_of_the_hub_has_its_command():
    """The command that is told is the one that fetches this model."""
    for spec in registry.specs():
        if isinstance(spec.weights, UserWeights) and spec.weights.repository:
            assert f"`imagecurator models get {spec.name}` does so" in spec.weights.how_to_get


def test_without_a_directory_it_is_said_how_to_name_one():
    """All three ways, and then what to put into it."""
    with pytest.raises(WeightsNotFoundError, match=r"in IMAGECURATOR_MODEL_DIR, as model_dir, or with --model-dir DIR"):
        registry.get_spec(NAME).weights.find(None)


def test_a_home_directory_is_meant_by_a_tilde(folder, tmp_path, monkeypatch):
    """As a shell would have it, where none has read the variable."""
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", f"~/{tmp_path.name}")
    assert registry.get_spec(NAME).weights.find(None) == folder / "model.safetensors"


def test_the_folder_of_a_model_is_no_directory_of_models(folder, tmp_path):
    """The one that is meant lies above; nor is a file one, or what is not there."""
    weights = registry.get_spec(NAME).weights
    with pytest.raises(WeightsNotFoundError, match=f"folder of one model.*; name {tmp_path} as the directory"):
        weights.find(folder)
    with pytest.raises(WeightsNotFoundError, match=r"config\.json: this is a file, and no directory of models"):
        weights.find(folder / "config.json")
    with pytest.raises(WeightsNotFoundError, match=f"there is no directory {tmp_path / 'none'}"):
        weights.find(tmp_path / "none")


def test_a_file_that_holds_the_same_is_taken_in_its_place(tmp_path):
    """Of several names the first that is there counts; where none is, all are named."""
    weights = published(c_json=b"{}")
    with pytest.raises(WeightsNotFoundError, match=r"missing: w\.bin or v\.bin and c\.json.*from the moon"):
        weights.find(tmp_path)
    (tmp_path / "o" / "m").mkdir(parents=True)
    (tmp_path / "o" / "m" / "c.json").write_bytes(b"{}")
    for name in ("v.bin", "w.bin"):
        (tmp_path / "o" / "m" / name).write_bytes(b"w")
        assert weights.find(tmp_path).name == name


def test_weights_without_a_text_tower_say_what_helps(folder, tmp_path):
    """The file that lies there would win over the published one, so that it has to go first."""
    without_text(folder)
    with pytest.raises(NoTextTowerError) as caught:
        registry.create_text(NAME, tmp_path)
    said = str(caught.value)
    assert "model.safetensors: the weights have no text tower" in said
    assert "move it away, and put pytorch_model.bin of the hub repository openai/clip-vit-base-patch32 (https:" in said
    assert f"`imagecurator models get {NAME} --model-dir {tmp_path}`" in said
    assert "MODEL_DIR" not in said


def test_another_model_without_a_text_tower_is_another_model(folder, tmp_path):
    """It is not taken for an image tower that was cut out of this one."""
    write_tower(tmp_path / "other", clip_config(16, 512, **SMALL_TOWER))
    shutil.copy(tmp_path / "other" / "model.safetensors", folder)
    with pytest.raises(WeightsError, match=r"the file belongs to another model\); move it away"):
        registry.create_text(NAME, tmp_path)


def test_settings_of_another_model_say_what_helps(folder, tmp_path):
    """The files of one model belong together: where to get those, and the command."""
    (folder / "config.json").write_text(json.dumps(both_towers(16, 512)))
    with pytest.raises(WeightsError, match=rf"cuts patches of 16.*run `imagecurator models get {NAME} --replace"):
        registry.create(NAME, model_dir=tmp_path)
    (folder / "config.json").write_text(json.dumps(both_towers(32, 512)))
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": 384, "crop_size": 384, "resample": 3}))
    with pytest.raises(WeightsError, match=rf"resizes.*384.*run `imagecurator models get {NAME} --replace"):
        registry.create(NAME, model_dir=tmp_path)


def test_another_head_says_where_the_right_one_is(tmp_path):
    """A head that is on no hub has its address in the sentence."""
    spec = registry.get_spec("sa_0_4_vit_b_32_linear")
    path = tmp_path / spec.weights.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"not the pinned ones.*https://github\.com/.*sa_0_4_vit_b_32_linear\.pth"):
        registry.create_head(spec.name, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "pointer of Git LFS"),
        (b"\n<!DOCTYPE html>\n<html>Sign in</html>", "a web page"),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "config.json"])
def test_what_is_no_weights_at_all_is_known(folder, tmp_path, content, said, name):
    """A Git-LFS pointer, the page about a file, and nothing are told as that."""
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"{name}: .*{said}"):
        registry.create(NAME, model_dir=tmp_path)


def test_a_place_that_is_nearly_a_models_is_suggested(tmp_path):
    """`owner/name` with a slip, where no such folder lies, is told with the model that has nearly that place."""
    with pytest.raises(UnknownModelError, match=r"did you mean 'openai/clip-vit-base-patch32'\?"):
        registry.get_spec("openai/clip-vit-base-patch-32", tmp_path)


@pytest.mark.parametrize("wrong", ["layers", "width"])
def test_verify_reads_the_text_tower(folder, tmp_path, wrong):
    """Text settings of another model are no usable model; without a text tower it is one of pictures alone."""
    config = both_towers(32, 512)
    config["text_config"] |= {"num_hidden_layers": 24} if wrong == "layers" else {"hidden_size": 64}
    (folder / "config.json").write_text(json.dumps(config))
    found = check(registry.get_spec(NAME), tmp_path)
    assert found.state == "damaged"
    assert "the file belongs to another model" in found.problem
    without_text(folder)
    found = check(registry.get_spec(NAME), tmp_path)
    assert (found.state, found.problem) == ("other", "")
    assert "the weights have no text tower" in found.texts
