from __future__ import annotations

import numpy as np
import pytest
from tests.models.formula import pictures
from tests.models.numerics_here import AGREEMENT, EVERY, or_skip
from tests.models.tiny_towers import HEADS, LAYERS, PATCH, TOWERS, WIDTH
from tests.models.tower_reference import TIMM_SIDE, timm_tensors, transformers_rows

from nemo_curator.models import registry
from nemo_curator.models.layouts import timm_siglip
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.tower_model import open_vision, unit_rows
from nemo_curator.models.towers.tensors import Tensors
from nemo_curator.models.towers.vision import VisionTower


def cosines(rows, expected):
    """The cosine of each row with the one that is expected."""
    rows, expected = rows.astype(np.float64), expected.astype(np.float64)
    return np.sum(rows * expected, axis=1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(expected, axis=1)


def golden_rows(golden, name):
    """What the library of a tower's makers gives."""
    if name.startswith("clip"):
        return np.load(golden / "clip_tiny.npz")["gelu" if name == "clip-gelu" else "quick_gelu"]
    return np.load(golden / "towers.npz")[name]


def loaded(name, folder, numerics=None):
    """A tower from its files, named by where they lie."""
    TOWERS[name].write(folder / "owner" / name)
    model = registry.create(f"owner/{name}", 1, folder, numerics)
    model.setup()
    return model


@pytest.mark.parametrize("numerics", EVERY, ids=str)
@pytest.mark.parametrize("name", TOWERS)
def test_the_makers_own_library_is_met(name, numerics, tmp_path, golden):
    """Embeddings from the files of each layout equal those of transformers or open_clip, in every precision."""
    model = loaded(name, tmp_path, or_skip(numerics))
    rows, expected = model(pictures(3, TOWERS[name].side)), golden_rows(golden, name)
    assert rows.shape == (3, TOWERS[name].dimension)
    assert (cosines(rows, expected) >= AGREEMENT[numerics.precision]).all()
    if numerics.precision == "fp32":
        np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-5)


def test_the_golden_rows_tell_pictures_and_towers_apart(golden):
    """What is compared differs by more than what is allowed, from picture to picture and from tower to tower."""
    rows = {name: golden_rows(golden, name) for name in TOWERS}
    for name, expected in rows.items():
        assert cosines(expected[:2], expected[1:]).max() < 0.995
        for other, found in rows.items():
            if other != name and found.shape == expected.shape:
                assert np.abs(found - expected).max() > 1e-3


@pytest.mark.parametrize(("golden_name", "activation"), [("timm-gelu", "gelu"), ("timm-tanh", "gelu_tanh")])
def test_timm_is_met(golden, golden_name, activation):
    """SigLIP towers under the names that timm gives their arrays give what timm gives, with either activation."""
    tower = VisionTower(
        WIDTH, 4 * WIDTH, LAYERS, HEADS, TIMM_SIDE, PATCH, WIDTH, activation, 1e-6, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    )
    weights = timm_siglip.arrange(tower, Tensors(timm_tensors(), "formula"))
    session = open_vision(weights, Numerics("onnxruntime"), 1, "formula")
    rows = unit_rows(session.run(pictures(3, TIMM_SIDE), "embedding"))
    np.testing.assert_allclose(rows, np.load(golden / "towers.npz")[golden_name], rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", [name for name in TOWERS if not name.startswith(("clip", "openclip"))])
def test_transformers_is_met(name, tmp_path):
    """The same against transformers itself and with other pictures, where it is installed."""
    pytest.importorskip("torch", reason="torch is for parity only")
    pytest.importorskip("transformers", reason="transformers is for parity only")
    batch = pictures(7, TOWERS[name].side)[3:]
    rows = loaded(name, tmp_path)(batch)
    assert (cosines(rows, transformers_rows(tmp_path / "owner" / name, batch)) >= 0.99999).all()


def test_a_tower_alone_and_one_beside_a_text_tower_are_the_same(tmp_path):
    """SigLIP's image tower may be published alone, with other names for its arrays; the rows are the same."""
    from tests.models.tiny_towers import siglip

    rows = []
    for name, tiny in (("both", siglip()), ("alone", siglip(alone=True))):
        tiny.write(tmp_path / "owner" / name)
        rows.append(registry.load(f"owner/{name}", model_dir=tmp_path)(pictures(2, tiny.side)))
    np.testing.assert_array_equal(*rows)


@pytest.mark.parametrize("name", ["openclip", "siglip", "dinov2-registers"])
def test_brain_floats_in_a_file_are_read(name, tmp_path):
    """Weights published in bfloat16 give what the same numbers give in float32."""
    import json
    import struct

    tiny = TOWERS[name]
    cut = {key: (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) for key, array in tiny.tensors.items()}
    model = loaded(name, tmp_path)
    place = tmp_path / "owner" / name / tiny.weights
    header, data, start = {}, b"", 0
    for key, array in cut.items():
        halves = (array.view(np.uint32) >> np.uint32(16)).astype("<u2").tobytes()
        header[key] = {"dtype": "BF16", "shape": list(array.shape), "data_offsets": [start, start + len(halves)]}
        data, start = data + halves, start + len(halves)
    text = json.dumps(header).encode()
    place.write_bytes(struct.pack("<Q", len(text)) + text + data)
    halved = registry.load(f"owner/{name}", model_dir=tmp_path)(pictures(2, tiny.side))
    assert (cosines(halved, model(pictures(2, tiny.side))) > 0.999).all()
    from safetensors.numpy import save_file

    save_file(cut, place)
    np.testing.assert_array_equal(registry.load(f"owner/{name}", model_dir=tmp_path)(pictures(2, tiny.side)), halved)
