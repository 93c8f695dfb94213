"""Whether a weight file is the model's, told from names and shapes alone."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.models.clip_towers import both_towers, write_both
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.test_heads import aesthetic_tensors, write_aesthetic
from tests.models.torch_reference import write_tower

from nemo_curator.errors import WeightsError
from nemo_curator.models import registry
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.outlines import read_outlines

NAME, AESTHETIC = "clip-vit-base-patch32", "sac-logos-ava1-l14-linearMSE"


@pytest.fixture
def folder(tmp_path):
    """A small CLIP of both towers in the place of ViT-B/32."""
    return write_both(tmp_path / "openai" / NAME, both_towers(32, 512))


def test_outlines_take_no_memory(tmp_path):
    """Arrays have the file's shapes and are floats where its are; none of their numbers is read."""
    path = tmp_path / "large.safetensors"
    large = np.zeros((3000, 4000), np.float32)
    save_file({"a": large, "b": large[:1].astype(np.int32), "c": large[:1].astype(np.float16)}, path)
    del large
    read_outlines(path)  # what is imported for it is not counted
    tracemalloc.start()
    found = read_outlines(path, ("a", "b", "c"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {name: (one.shape, one.dtype.kind) for name, one in found.items()} == {
        "a": ((3000, 4000), "f"),
        "b": ((1, 4000), "i"),
        "c": ((1, 4000), "f"),
    }
    assert peak < 1_000_000


def test_the_weights_of_another_patch_are_refused_when_the_model_is_made(folder, tmp_path):
    """Settings of B/32 beside the weights of B/16: the first array that differs is named."""
    write_tower(tmp_path / "other", clip_config(16, 512, **SMALL_TOWER))
    (tmp_path / "other" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(
        WeightsError, match=r"position_embedding.*\[197, 32\], expected floats \[50, 32\] \(the file belongs"
    ):
        registry.create(NAME, model_dir=tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 1000, -1])
def test_a_file_that_was_cut_short_is_refused_when_the_model_is_made(folder, tmp_path, kept):
    """Empty, without a whole index, or without its last byte."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=str(path)):
        registry.create(NAME, model_dir=tmp_path)


@pytest.mark.parametrize("tower", ["vision_config", "text_config"])
def test_layers_that_are_not_there_are_missed_when_the_model_is_made(folder, tmp_path, tower):
    """Settings that speak of 24 layers beside weights of two."""
    config = json.loads((folder / "config.json").read_text())
    config[tower]["num_hidden_layers"] = 24
    (folder / "config.json").write_text(json.dumps(config))
    make = registry.create_text if tower == "text_config" else registry.create
    with pytest.raises(WeightsError, match=r"no tensor .*layers\.2\."):
        make(NAME, model_dir=tmp_path)


def test_numbers_that_are_none_are_left_to_loading(folder, tmp_path):
    """What no index tells is not looked for before a run: NaN is refused when the model is loaded."""
    held = load_file(folder / "model.safetensors")
    held["visual_projection.weight"][0, 0] = np.nan
    save_file(held, folder / "model.safetensors")
    model = registry.create(NAME, model_dir=tmp_path)
    with pytest.raises(WeightsError, match="NaN"):
        model.setup()


def test_a_head_that_was_cut_short_is_refused_when_it_is_made(tmp_path):
    """It has few numbers, so that it is read then."""
    path = write_aesthetic(tmp_path, aesthetic_tensors())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="not readable"):
        registry.create_head(AESTHETIC, tmp_path)


def test_the_public_clip_is_refused_when_a_run_is_planned(tmp_path):
    """What the plan asks of its weights, which is their identity, is not given for a file that was cut short."""
    folder = write_tower(tmp_path / "openai" / "clip-vit-large-patch14", clip_config(14, 768, **SMALL_TOWER))
    assert CLIPImageEmbeddings.provenance(tmp_path)["model"]["weights"]
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="not readable"):
        CLIPImageEmbeddings.provenance(tmp_path)
