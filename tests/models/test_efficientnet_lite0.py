from __future__ import annotations

import numpy as np
import pytest
from tests.models.formula import pictures

from nemo_curator.errors import WeightsError
from nemo_curator.models.efficientnet_graph import blocks, build_graph
from nemo_curator.models.graph_cache import cache_dir
from nemo_curator.models.torch_file import read_tensors

TRIPOD, ESPRESSO, MISSILE, PROJECTILE, PALACE, CATS = 872, 967, 657, 744, 698, {281, 282, 285}


def view(picture, spec):
    """A picture cut to a model's view with Pillow, the reference."""
    image = pytest.importorskip("PIL.Image")
    filters = {"bicubic": image.Resampling.BICUBIC, "bilinear": image.Resampling.BILINEAR}
    whole = image.fromarray(picture).convert("RGB")
    resized = whole.resize(spec.view.resized(*whole.size), filters[spec.view.filter])
    return np.asarray(resized.crop(spec.view.cropped(*resized.size)))[None]


def test_golden_values_by_torch_are_met(lite0, golden):
    """Embedding and logits are within 1e-4 of what torch computed with unfolded batch norms."""
    expected = np.load(golden / "efficientnet_lite0.npz")
    batch = pictures(4, 224)
    np.testing.assert_allclose(lite0(batch), expected["embedding"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(lite0.logits(batch), expected["logits"], rtol=0, atol=1e-4)
    assert np.ptp(expected["logits"]) > 5


def test_a_torch_forward_is_met(lite0):
    """The same against torch itself, where it is installed."""
    torch = pytest.importorskip("torch", reason="torch is for parity only")
    from tests.models.torch_reference import efficientnet_lite0

    state = torch.load(lite0.spec.weights.find(), weights_only=True)
    batch = pictures(2, 224)[::-1].copy()
    embedding, logits = efficientnet_lite0(state, batch)
    np.testing.assert_allclose(lite0(batch), embedding, rtol=0, atol=1e-4)
    np.testing.assert_allclose(lite0.logits(batch), logits, rtol=0, atol=1e-4)


def test_embeddings_are_unit_rows_and_their_own(lite0):
    """float32 of unit norm; a row is the same to the last bit alone, among 3 and among 32."""
    batch = np.concatenate([pictures(8, 224)] * 4)
    rows = lite0(batch)
    assert rows.shape == (32, 1280)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(rows[:8], rows[24:])
    np.testing.assert_array_equal(lite0(batch[5:6]), rows[5:6])
    np.testing.assert_array_equal(lite0(batch[5:8]), rows[5:8])


@pytest.mark.parametrize(
    ("photo", "first", "within"),
    [
        ("chelsea", CATS, CATS),
        ("coffee", {ESPRESSO}, {ESPRESSO}),
        ("camera", {TRIPOD}, {TRIPOD}),
        ("rocket", {MISSILE, PROJECTILE}, {MISSILE, PROJECTILE}),
    ],
)
def test_ordinary_photos_are_named_right(lite0, photo, first, within):
    """End to end, from a photograph through the view to ImageNet's classes."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the photos")
    order = np.argsort(lite0.logits(view(getattr(data, photo)(), lite0.spec))[0])[::-1]
    assert order[0] in first
    assert within <= set(order[: len(within) + 1].tolist())


def test_a_palace_is_named_right(lite0):
    """The same for scikit-learn's photo of the Summer Palace."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn carries the photo")
    picture = datasets.load_sample_image("china.jpg")
    assert lite0.logits(view(picture, lite0.spec))[0].argmax() == PALACE


def test_a_copy_is_nearer_than_another_photo(lite0):
    """A darkened and blurred copy has a higher cosine than any other photo."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the photos")
    filters = pytest.importorskip("PIL.ImageFilter")
    image = pytest.importorskip("PIL.Image")
    cat, coffee = data.chelsea(), data.coffee()
    copy = np.asarray(image.fromarray(cat).filter(filters.GaussianBlur(1)).point(lambda level: level * 3 // 4))
    rows = np.concatenate([lite0(view(picture, lite0.spec)) for picture in (cat, copy, coffee)])
    assert rows[0] @ rows[1] > 0.85
    assert rows[0] @ rows[2] < 0.5


def test_there_are_sixteen_blocks():
    """Nine of them add their input."""
    assert len(blocks()) == 16
    assert sum(block.residual for block in blocks()) == 9


def test_the_graph_is_cached_by_its_weights(lite0):
    """The entry is there after loading, under the model's name."""
    assert lite0.spec.name
    assert list(cache_dir().glob("efficientnet-lite0-*.onnx"))


def test_the_graph_is_the_same_every_time(lite0):
    """Building twice gives the same bytes."""
    tensors = read_tensors(lite0.spec.weights.find())
    assert build_graph(tensors) == build_graph(tensors)


def test_weights_of_another_model_are_refused(lite0):
    """The first tensor that is missing or misshapen is named."""
    with pytest.raises(WeightsError, match=r"'_conv_stem\.weight' is missing, expected floats \[32, 3, 3, 3\]"):
        build_graph({}, "file")
    tensors = {**read_tensors(lite0.spec.weights.find()), "_fc.bias": np.zeros(10, np.float32)}
    with pytest.raises(WeightsError, match=r"'_fc\.bias' is float32 \[10\], expected floats \[1000\]"):
        build_graph(tensors, "file")
