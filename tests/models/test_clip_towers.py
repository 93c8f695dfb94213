from __future__ import annotations

import json

import numpy as np
import pytest
from tests.models.formula import SMALL_TOWER, clip_config, clip_tensors, pictures
from tests.models.test_torch_file import storage, tensor, tree, write_zip
from tests.models.torch_reference import clip as torch_clip
from tests.models.torch_reference import write_tower

from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.clip_config import read_config

BASE = {"clip-vit-base-patch32": 32, "clip-vit-base-patch16": 16}


def write_torch(path, tensors):
    """The tensors as torch writes a state dict, with one of the text tower and one of counts among them."""
    entries, blocks = {}, {}
    others = {"text_model.embeddings.position_ids": None, "text_model.final_layer_norm.weight": np.ones(3, np.float32)}
    for index, (name, array) in enumerate({**tensors, **others}.items()):
        if array is None:
            entries[name] = tensor(storage(str(index), kind="torch.LongStorage", count=2), 0, (1, 2), (2, 1))
            blocks[str(index)] = np.arange(2, dtype="<i8").tobytes()
            continue
        strides = tuple(step // 4 for step in array.strides)
        entries[name] = tensor(storage(str(index), count=array.size), 0, array.shape, strides)
        blocks[str(index)] = array.tobytes()
    return write_zip(path, tree(**entries), blocks)


@pytest.mark.parametrize("name", BASE)
def test_the_base_towers_are_registered(name, tmp_path):
    """ViT-B/32 and B/16 cut the same view as ViT-L/14, give 512 numbers, and have 50 and 197 tokens."""
    spec, large = registry.get_spec(name), registry.get_spec("clip-vit-large-patch14")
    assert (spec.dimension, spec.view, spec.task, spec.licence) == (512, large.view, "embedding", "MIT")
    (tmp_path / "config.json").write_text(json.dumps(clip_config(BASE[name], 512)))
    tower = read_config(tmp_path)
    assert (tower.tokens, tower.width, tower.layers, tower.heads) == ({32: 50, 16: 197}[BASE[name]], 768, 12, 12)


@pytest.mark.parametrize("name", BASE)
def test_a_file_of_torch_gives_the_same_embeddings(name, tmp_path):
    """The hub offers the base towers as pytorch_model.bin; nothing in it is run, and the text tower stays unread."""
    config = clip_config(BASE[name], 512, **SMALL_TOWER)
    folder = write_tower(tmp_path / "openai" / name, config)
    batch = pictures(2, 224)
    expected = registry.load(name, model_dir=tmp_path)(batch)
    assert expected.shape == (2, 512)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-6)
    (folder / "model.safetensors").unlink()
    write_torch(folder / "pytorch_model.bin", clip_tensors(config))
    np.testing.assert_array_equal(registry.load(name, model_dir=tmp_path)(batch), expected)


def test_weights_without_their_configuration_are_missed_before_a_run(tmp_path):
    """The file that says the tower's shape is looked for when the model is made, not when a worker loads it."""
    folder = write_tower(tmp_path / "openai" / "clip-vit-base-patch32", clip_config(32, 512, **SMALL_TOWER))
    (folder / "config.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"config\.json"):
        registry.create("clip-vit-base-patch32", model_dir=tmp_path)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "name", ["clip-vit-base-patch32", pytest.param("clip-vit-base-patch16", marks=pytest.mark.soak)]
)
def test_transformers_is_met_by_the_true_architecture(name, tmp_path):
    """Towers of the true size with numbers of our own give what transformers gives, where it is installed."""
    pytest.importorskip("torch", reason="torch is for parity only")
    pytest.importorskip("transformers", reason="transformers is for parity only")
    folder = write_tower(tmp_path / "openai" / name, clip_config(BASE[name], 512))
    batch = pictures(2, 224)
    rows = registry.load(name, model_dir=tmp_path)(batch)
    cosines = np.sum(rows.astype(np.float64) * torch_clip(folder, batch), axis=1)
    assert (cosines >= 0.99999).all()
    assert rows[0] @ rows[1] < 0.999
