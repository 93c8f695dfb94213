from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.models.detector_graphs import face_graph, red_box, text_graph

from nemo_curator.errors import ModelError, StageError, UnknownModelError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.text_detector import TextDetector
from nemo_curator.stages.declarations import Cost
from nemo_curator.stages.image.filters.face_filter import ImageFaceFilterStage
from nemo_curator.stages.image.filters.text_filter import ImageTextFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject


@pytest.fixture(autouse=True)
def graph_cache(tmp_path, monkeypatch):
    """Graphs that tests build never reach the user's cache."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def face_stage(tmp_path):
    """The stage over a detector of a few numbers that sees red, as a user's own."""
    (tmp_path / "yunet.onnx").write_bytes(face_graph())
    stage = ImageFaceFilterStage(model="yunet-own", model_dir=str(tmp_path))
    stage.setup()
    return stage


@pytest.fixture
def text_stage(tmp_path, monkeypatch):
    """The stage over a detector of a few numbers that sees red, in the place of the package's."""
    package = tmp_path / "rapidocr"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('the package must not be imported')")
    (package / "models" / "PP-OCRv6_det_small.onnx").write_bytes(text_graph())
    monkeypatch.syspath_prepend(str(tmp_path))
    stage = ImageTextFilterStage()
    known = registry.get_spec("pp-ocrv6-small")
    stage._model = TextDetector(replace(known, sha256=""), package / "models" / "PP-OCRv6_det_small.onnx")
    stage.setup()
    return stage


def batch(*pictures: np.ndarray) -> ImageBatch:
    """A batch of pictures without files."""
    return ImageBatch(data=[ImageObject(image_id=str(k), image_data=picture) for k, picture in enumerate(pictures)])


def scores(stage, *pictures: np.ndarray) -> list[dict]:
    """What a stage records of pictures shown together."""
    return [dict(image.scores) for image in stage.annotate(batch(*pictures)).data]


def test_text_is_measured_in_shares_of_the_picture(text_stage):
    """A line of known size gives its share, whatever the size of the picture; the sum counts overlaps once."""
    small = red_box(100, 200, 40, 30, 160, 38)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    one, other, none = scores(text_stage, small, large, np.zeros((50, 70, 3), np.uint8))
    assert one["text_share"] == pytest.approx(0.13, abs=0.02)
    assert other["text_share"] == pytest.approx(one["text_share"], abs=0.02)
    assert one["largest_text_share"] == one["text_share"]
    assert one["text_boxes"] == 1
    assert none == {"text_share": 0.0, "largest_text_share": 0.0, "text_boxes": 0}


def test_two_lines_are_two_boxes(text_stage):
    """The share is of both, the largest of one."""
    picture = np.maximum(red_box(200, 200, 20, 30, 180, 38), red_box(200, 200, 20, 130, 100, 138))
    (found,) = scores(text_stage, picture)
    assert found["text_boxes"] == 2
    assert found["largest_text_share"] < found["text_share"] < 2 * found["largest_text_share"]


def test_faces_are_counted_and_the_largest_measured(face_stage):
    """Two faces of one cell each; the share is the cell's of the picture; without a face all is zero."""
    picture = np.maximum(red_box(128, 256, 64, 32, 96, 64), red_box(128, 256, 192, 64, 224, 96))
    two, none = scores(face_stage, picture, np.zeros((64, 64, 3), np.uint8))
    assert two["face_count"] == 2
    assert two["largest_face_share"] == pytest.approx(32 * 32 / (128 * 256))
    assert 0.7 <= two["face_score"] <= 1
    assert none == {"face_count": 0, "largest_face_share": 0.0, "face_score": 0.0}


@pytest.mark.parametrize("which", ["text_stage", "face_stage"])
def test_scores_are_the_picture_s_own(which, request):
    """Alone, among others, in any order and for any batch size, the last bit is the same."""
    stage = request.getfixturevalue(which)
    shown = [red_box(64 + 7 * k, 128 + 3 * k, 32, 0, 64 + 8 * k, 10 + 4 * k) for k in range(5)]
    shown.append(np.full((1, 1, 3), 128, np.uint8))
    alone = [scores(stage, picture)[0] for picture in shown]
    assert scores(stage, *shown) == alone
    assert scores(stage, *shown[::-1]) == alone[::-1]
    stage.model_inference_batch_size = 2
    assert scores(stage, *shown, *shown) == alone * 2
    for found in alone:
        assert all(column.range[0] <= found[column.name] <= column.range[1] for column in stage.columns)


@pytest.mark.parametrize("kind", [ImageTextFilterStage, ImageFaceFilterStage])
def test_a_mistake_is_told_when_the_stage_is_made(kind, tmp_path):
    """An unknown model, one for another task, and weights that are not there end before anything runs."""
    with pytest.raises(UnknownModelError):
        kind(model="no-such-model")
    with pytest.raises(ModelError, match=r"another task \(nsfw\)"):
        kind(model="open-nsfw")
    with pytest.raises(WeightsNotFoundError, match=r"face_detection_yunet_2023mar\.onnx"):
        ImageFaceFilterStage(model_dir=str(tmp_path))


def test_text_without_its_package_names_the_extra(monkeypatch):
    """Where the package is not installed, the sentence says what to run."""
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    monkeypatch.delitem(sys.modules, "rapidocr", raising=False)
    with pytest.raises(WeightsNotFoundError, match=r"run: pip install 'imagecurator\[text\]'"):
        ImageTextFilterStage()


def test_no_threshold_has_a_basis(face_stage, text_stage):
    """By hand a threshold must be given; the first column is what it compares."""
    for stage in (face_stage, text_stage):
        assert stage.cost is Cost.MODEL
        with pytest.raises(StageError, match="has no threshold"):
            stage.process(batch(np.zeros((32, 32, 3), np.uint8)))
    face_stage.score_threshold = 1
    kept = face_stage.process(batch(red_box(64, 64, 32, 32, 64, 64), np.zeros((64, 64, 3), np.uint8)))
    assert [image.image_id for image in kept.data] == ["1"]
    assert [record.score for record in kept.records] == [1.0]


def test_a_stage_reaches_a_worker_before_setup(face_stage, tmp_path):
    """It pickles, and its facts name the weights and not their place."""
    fresh = ImageFaceFilterStage(model="yunet-own", model_dir=str(tmp_path))
    assert pickle.loads(pickle.dumps(fresh)).needs() == fresh.needs()  # noqa: S301  our own bytes
    facts = fresh.provenance()
    assert len(facts["model"]["weights"]) == 64
    assert str(tmp_path) not in str(facts)


def test_the_package_is_not_imported():
    """Only the weight file of `rapidocr` is read: neither it nor what it installs is loaded."""
    code = (
        "import sys\n"
        "from nemo_curator.stages.image.filters import text_filter, face_filter\n"
        "print(sorted({'rapidocr', 'cv2', 'shapely', 'pyclipper', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
