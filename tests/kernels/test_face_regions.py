from __future__ import annotations

import numpy as np
import pytest

from nemo_curator.kernels.face_regions import STRIDES, distinct, face_regions


def outputs(rows: int = 64, columns: int = 96, **cells: tuple[float, float, list[float]]) -> dict[str, np.ndarray]:
    """What the network gives where it sees nothing, but for `S_row_column=(cls, obj, bbox)`, S a stride."""
    made = {}
    for stride in STRIDES:
        count = (rows // stride) * (columns // stride)
        made |= {f"cls_{stride}": np.zeros(count, np.float32), f"obj_{stride}": np.zeros(count, np.float32)}
        made[f"bbox_{stride}"] = np.zeros((count, 4), np.float32)
    for name, (cls, obj, bbox) in cells.items():
        stride, row, column = map(int, name.removeprefix("at_").split("_"))
        cell = row * (columns // stride) + column
        made[f"cls_{stride}"][cell], made[f"obj_{stride}"][cell], made[f"bbox_{stride}"][cell] = cls, obj, bbox
    return made


def test_a_cell_says_where_its_box_lies():
    """Centre: offsets from the cell's corner in strides; size: the exponential of the rest, in strides."""
    boxes, scores = face_regions(outputs(at_16_2_3=(0.81, 1.0, [0.5, 0.25, np.log(2), np.log(3)])), 96, 0.7)
    x, y = (3 + 0.5) * 16, (2 + 0.25) * 16
    np.testing.assert_allclose(boxes, [[x - 16, y - 24, x + 16, y + 24]], rtol=1e-6)
    np.testing.assert_allclose(scores, [0.9], rtol=1e-6)


def test_faces_of_all_grids_come_the_surest_first():
    """The three strides are one list; unsure cells are left out."""
    seen = outputs(
        at_8_0_0=(0.8, 0.8, [0, 0, 0, 0]), at_32_1_2=(1.0, 1.0, [0, 0, 0, 0]), at_16_3_0=(0.4, 0.4, [0, 0, 0, 0])
    )
    _, scores = face_regions(seen, 96, 0.7)
    np.testing.assert_allclose(scores, [1.0, 0.8], rtol=1e-6)


def test_numbers_out_of_range_stay_finite():
    """A product above one is clipped, and a wild size does not become infinity."""
    boxes, scores = face_regions(outputs(at_8_0_0=(1.5, 3.0, [0, 0, 900, 900])), 96, 0.7)
    assert scores.tolist() == [1.0]
    assert np.isfinite(boxes).all()


def test_nothing_found_keeps_its_shape():
    """No face is `(0, 4)` boxes and `(0,)` scores."""
    boxes, scores = face_regions(outputs(), 96, 0.7)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_boxes_on_a_surer_one_are_left_out():
    """Of two that share more than 0.3 of their union the surer stays; others stay; one that fell hides nothing."""
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10], [100, 0, 110, 10]], float)
    kept, scores = distinct(boxes, np.array([0.7, 0.8, 0.75, 0.9]))
    assert kept[:, 0].tolist() == [100, 4]
    assert scores.tolist() == [0.9, 0.8]
    kept, _ = distinct(boxes[:3], np.array([0.9, 0.8, 0.75]))
    assert kept[:, 0].tolist() == [0, 8]


@pytest.mark.parametrize("scores", [[0.8, 0.8], [0.8, 0.9]])
def test_equal_boxes_are_one_face(scores):
    """Twice the same box is one; of equal scores the first counts."""
    kept, _ = distinct(np.array([[0, 0, 4, 4], [0, 0, 4, 4]], float), np.array(scores))
    assert len(kept) == 1
