from __future__ import annotations

import pickle
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from tests.models.detector_graphs import face_graph, red_box, text_graph
from tests.models.formula import pictures

from nemo_curator.codecs.views import cut
from nemo_curator.errors import ModelError, WeightsError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.onnx_detector import padded
from nemo_curator.models.spec import PackagedWeights
from nemo_curator.models.text_detector import TextDetector
from nemo_curator.models.yunet import YuNet

DETECTORS = ("text", "faces")


def small(kind: str, folder) -> TextDetector | YuNet:
    """A loaded detector over a graph of a few numbers."""
    path = folder / f"{kind}.onnx"
    path.write_bytes(text_graph() if kind == "text" else face_graph())
    name = "pp-ocrv6-small" if kind == "text" else "yunet-own"
    model = (TextDetector if kind == "text" else YuNet)(replace(registry.get_spec(name), sha256=""), path)
    model.setup()
    return model


@pytest.fixture(scope="module")
def text_model():
    """The real text detector, where its package is installed."""
    if not registry.availability(registry.get_spec("pp-ocrv6-small")).ok:
        pytest.skip("the package rapidocr (extra text), which carries the weights, is not installed")
    model = registry.create_detector("pp-ocrv6-small")
    model.setup()
    return model


@pytest.fixture(scope="module", params=["yunet-s", "yunet-n"])
def face_model(request, shared_models):
    """Each real YuNet, where the development data is mounted."""
    model = registry.create_detector(request.param, model_dir=shared_models)
    model.setup()
    return model


def test_a_text_box_lies_around_what_the_network_marks(tmp_path):
    """Colours reach the network in its own order, and boxes are in pixels of the picture."""
    (found,) = small("text", tmp_path)([red_box(100, 200, 40, 30, 160, 40)])
    assert found.corners.shape == (1, 4, 2)
    assert found.corners[0].mean(axis=0) == pytest.approx((100.5, 35.5))
    assert (found.height, found.width) == (100, 200)
    blue = red_box(100, 200, 40, 30, 160, 40)[..., ::-1]
    assert len(small("text", tmp_path)([blue])[0].corners) == 0


def test_a_face_box_lies_where_the_network_puts_it(tmp_path):
    """A graph that was published for 640 by 640 pixels runs at the picture's own size; boxes are in its pixels."""
    model = small("faces", tmp_path)
    (found,) = model([red_box(100, 200, 64, 32, 96, 64)])
    assert found.corners.tolist() == [[[64, 32], [96, 32], [96, 64], [64, 64]]]
    assert found.scores[0] > 0.9
    assert len(model([red_box(100, 200, 64, 32, 96, 64)[..., ::-1]])[0].corners) == 0


@pytest.mark.parametrize("kind", DETECTORS)
def test_regions_are_a_picture_s_own(kind, tmp_path):
    """What is found is the same to the last bit alone and among others of other sizes, in any order."""
    model = small(kind, tmp_path)
    shown = [red_box(64 + k, 96 + 5 * k, 32, 0, 64, 12 + 4 * k) for k in range(6)] + list(pictures(2, 64))
    alone = [model([picture])[0] for picture in shown]
    for one, other in zip(alone, model(shown), strict=True):
        np.testing.assert_array_equal(one.corners, other.corners)
        np.testing.assert_array_equal(one.scores, other.scores)
    for one, other in zip(alone[::-1], model(shown[::-1]), strict=True):
        np.testing.assert_array_equal(one.corners, other.corners)
    assert model([]) == []


@pytest.mark.parametrize("kind", DETECTORS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (640, 1), (31, 33)])
def test_any_size_is_taken(kind, shape, tmp_path):
    """A picture of one pixel, a line, and sides that are no multiples of 32 are answered."""
    (found,) = small(kind, tmp_path)([np.zeros((*shape, 3), np.uint8)])
    assert found.corners.shape == (0, 4, 2)


def test_padding_repeats_the_edge_or_is_black():
    """Sides become multiples of 32, to the right and below; a picture that has such is not copied."""
    picture = pictures(1, 40)[0][:30]
    edge, black = padded(picture), padded(picture, "black")
    assert edge.shape == black.shape == (32, 64, 3)
    np.testing.assert_array_equal(edge[:30, :40], picture)
    np.testing.assert_array_equal(edge[31, :40], picture[29])
    np.testing.assert_array_equal(edge[:30, 63], picture[:, 39])
    assert not black[30:].any()
    assert not black[:, 40:].any()
    assert padded(edge) is edge


@pytest.mark.parametrize("kind", DETECTORS)
def test_what_is_no_picture_is_refused(kind, tmp_path):
    """The error says what is expected."""
    model = small(kind, tmp_path)
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"expected a picture of uint8 \(H, W, 3\)"):
            model([wrong])


@pytest.mark.parametrize("kind", DETECTORS)
def test_a_detector_pickles_before_setup_and_not_after(kind, tmp_path):
    """It reaches a worker unloaded; called before `setup`, or sent after it, it says so."""
    loaded = small(kind, tmp_path)
    model = type(loaded)(loaded.spec, loaded._weights)
    with pytest.raises(ModelError, match="called before setup"):
        model([np.zeros((8, 8, 3), np.uint8)])
    arrived = pickle.loads(pickle.dumps(model))  # noqa: S301  our own bytes
    arrived.setup()
    assert len(arrived([np.zeros((8, 8, 3), np.uint8)])) == 1
    with pytest.raises(TypeError, match="does not pickle after setup"):
        pickle.dumps(arrived)


def test_another_graph_is_refused(tmp_path, open_nsfw):
    """No ONNX, no convolution first, an absent output, and heads of another size are clear errors."""
    path = tmp_path / "yunet.onnx"
    for data, told in (
        (b"\xff\xffgarbage", "no ONNX model"),
        (b"", "does not begin with a convolution"),
        (open_nsfw.spec.weights.find().read_bytes(), "does not begin with a convolution"),
        (text_graph(), "no output 'cls_8'"),
        (face_graph(heads=("obj",)), "no output 'cls_8'"),
    ):
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=told):
            YuNet(registry.get_spec("yunet-own"), path).setup()


def test_a_known_model_is_its_bytes(tmp_path):
    """A file under a known model's name with other bytes is refused; one that is the user's own is taken."""
    path = tmp_path / "face_detection_yunet_2023mar.onnx"
    path.write_bytes(face_graph())
    with pytest.raises(WeightsError, match="not the pinned ones"):
        registry.create_detector("yunet-s", model_dir=tmp_path).setup()
    path.rename(tmp_path / "yunet.onnx")
    registry.create_detector("yunet-own", model_dir=tmp_path).setup()
    facts = registry.provenance("yunet-own", tmp_path)
    assert len(facts["model"]["weights"]) == 64


def test_a_face_model_is_found_under_both_of_its_names(tmp_path):
    """The zoo's name comes first, the trainers' is taken too; what is missing is told with both."""
    weights = registry.get_spec("yunet-s").weights
    with pytest.raises(WeightsNotFoundError, match=r"2023mar\.onnx or yunet_s_\w+\.onnx.*put it there, from OpenCV"):
        weights.find(tmp_path)
    with pytest.raises(WeightsNotFoundError, match="no model_dir was given"):
        weights.find(None)
    assert weights.how_to_get.startswith("put the file of OpenCV's model zoo")
    other, first = tmp_path / "yunet_s_640_640.onnx", tmp_path / "face_detection_yunet_2023mar.onnx"
    other.touch()
    assert weights.find(tmp_path) == other
    first.touch()
    assert weights.find(tmp_path) == first


def test_a_package_of_an_extra_is_got_by_the_extra():
    """What to do about missing weights names the extra, not the package."""
    weights = PackagedWeights("rapidocr", "no_such_package", "x.onnx", extra="text")
    with pytest.raises(WeightsNotFoundError, match=r"run: pip install 'imagecurator\[text\]'"):
        weights.find()


def test_detectors_and_image_models_have_their_own_doors():
    """Asking for one as the other is told, with its task."""
    with pytest.raises(ModelError, match="'pp-ocrv6-small' finds regions"):
        registry.create("pp-ocrv6-small")
    with pytest.raises(ModelError, match="'open-nsfw' finds no regions; its task is nsfw"):
        registry.create_detector("open-nsfw")


def test_the_text_detector_reads_a_page(text_model):
    """Lines of a scanned page are found one by one, and a picture of a cat has none."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the pictures")
    page, cat = np.stack([data.page()] * 3, axis=-1), data.chelsea()
    lines, none = text_model([cut(picture, [text_model.spec.view])[text_model.spec.view] for picture in (page, cat)])
    assert len(lines.corners) == 7
    assert len(none.corners) == 0
    # as measured on x86-64; other processors may differ in the last digits
    np.testing.assert_allclose(np.sort(lines.scores)[[0, -1]], [0.7004, 0.8065], atol=0.01)


def test_the_text_detector_agrees_with_the_package(text_model):
    """From one map of probabilities, boxes cover what those of the package's own post-processing cover."""
    if find_spec("cv2") is None or find_spec("rapidocr") is None:
        pytest.skip("the package rapidocr is not installed with OpenCV, which its post-processing needs")
    from rapidocr.ch_ppocr_det.utils import DBPostProcess

    from nemo_curator.kernels.rectangles import covered_share
    from nemo_curator.kernels.text_regions import CORE, GROWTH, SURE

    data = pytest.importorskip("skimage.data", reason="scikit-image carries the pictures")
    picture = padded(np.stack([data.page()] * 3, axis=-1))
    height, width = picture.shape[:2]
    chances = text_model.session.run_one(picture)["fetch_name_0"]
    theirs, _ = DBPostProcess(CORE, SURE, 1000, GROWTH, "fast", use_dilation=True)(chances, (height, width))
    ours, _ = text_model.regions({"fetch_name_0": chances}, height, width)
    assert len(ours) == len(theirs)
    assert covered_share(ours, height, width) == pytest.approx(covered_share(theirs.astype(float), height, width), 0.02)


def test_faces_on_photographs(face_model, shared_data):
    """A portrait is one sure face, parrots are none; as measured on x86-64."""
    from PIL import Image

    shown = [np.asarray(Image.open(shared_data / "kodak" / f"{number}.png").convert("RGB")) for number in (4, 15, 23)]
    woman, girl, parrots = face_model([cut(picture, [face_model.spec.view])[face_model.spec.view] for picture in shown])
    assert (len(woman.corners), len(girl.corners), len(parrots.corners)) == (1, 1, 0)
    assert min(woman.scores[0], girl.scores[0]) > 0.85


def test_faces_as_opencv_finds_them(face_model, shared_data):
    """Boxes within 0.01 pixels and scores within 1e-5 of `cv2.FaceDetectorYN`, on the photos of the Kodak suite."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV, which is compared with, is not installed")
    from PIL import Image

    compared = 0
    for path in sorted((shared_data / "kodak").glob("*.png")):
        picture = cut(np.asarray(Image.open(path).convert("RGB")), [face_model.spec.view])[face_model.spec.view]
        height, width = picture.shape[:2]
        reference = cv2.FaceDetectorYN.create(str(face_model._weights), "", (width, height), 0.7, 0.3)
        _, theirs = reference.detect(np.ascontiguousarray(picture[..., ::-1]))
        (ours,) = face_model([picture])
        theirs = np.zeros((0, 15)) if theirs is None else theirs[np.argsort(-theirs[:, 14], kind="stable")]
        boxes = np.concatenate([ours.corners[:, 0], ours.corners[:, 2] - ours.corners[:, 0]], axis=1)
        np.testing.assert_allclose(boxes, theirs[:, :4], atol=0.01)
        np.testing.assert_allclose(ours.scores, theirs[:, 14], atol=1e-5)
        compared += len(theirs)
    assert compared >= 10
