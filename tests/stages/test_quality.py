"""The quality filter: what it looks at, what it records, and what it asks for."""

from __future__ import annotations

import numpy as np
import pytest

from nemo_curator.codecs.views import cut
from nemo_curator.errors import StageError
from nemo_curator.kernels.brisque import brisque
from nemo_curator.models.brisque import SHA256, regressor
from nemo_curator.stages.image.filters.quality_filter import QUALITY_VIEW, ImageQualityFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import photo


def batch(*pictures):
    """A batch of images with those pixels."""
    return ImageBatch(data=[ImageObject(image_id=str(n), image_data=pixels) for n, pixels in enumerate(pictures)])


def recorded(task):
    """The scores of a batch after `annotate`."""
    return [image.scores["brisque"] for image in ImageQualityFilterStage().annotate(task).data]


def test_neighbours_do_not_matter():
    """A score is the same to the last bit alone, in any batch, and in any order."""
    pictures = [photo(seed, 90 + 7 * seed, 80) for seed in range(5)]
    alone = [recorded(batch(one))[0] for one in pictures]
    assert recorded(batch(*pictures)) == alone
    assert recorded(batch(*pictures[::-1])) == alone[::-1]
    stage = ImageQualityFilterStage(model_inference_batch_size=2)
    assert [image.scores["brisque"] for image in stage.annotate(batch(*pictures)).data] == alone


def test_photographs_of_usual_size_are_scored_whole():
    """Up to 768 pixels a side nothing is resized or cut off; of a larger picture the middle is scored."""
    for width, height in ((768, 512), (512, 768), (500, 375), (1, 1)):
        assert QUALITY_VIEW.resized(width, height) == (width, height)
        assert QUALITY_VIEW.cropped(width, height) == (0, 0, width, height)
    large = photo(3, 1500, 1000)
    assert recorded(batch(large)) == [brisque(cut(large, [QUALITY_VIEW])[QUALITY_VIEW], regressor())]
    assert recorded(batch(large)) == [brisque(np.ascontiguousarray(large[112:880, 352:1120]), regressor())]


def test_the_worse_ones_are_rejected():
    """With a threshold, images below it stay."""
    pictures = [photo(seed, 200, 150) for seed in range(6)]
    scores = recorded(batch(*pictures))
    threshold = sorted(scores)[3]
    done = ImageQualityFilterStage(score_threshold=threshold).process(batch(*pictures))
    assert [image.image_id for image in done.data] == [str(n) for n, score in enumerate(scores) if score < threshold]
    assert {record.threshold for record in done.records} == {threshold}


def test_no_threshold_is_made_up():
    """Without a threshold, rejecting asks for one."""
    with pytest.raises(StageError, match="no threshold"):
        ImageQualityFilterStage().process(batch(photo(1)))


def test_the_trained_figures_are_part_of_the_provenance():
    """Stored scores become stale when the regressor's figures change."""
    assert ImageQualityFilterStage().provenance()["model"]["weights"] == SHA256


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (1, 900), (900, 1)])
def test_pictures_without_anything_in_them_are_scored(size, level):
    """Uniform pictures of any size are scored, not quarantined."""
    done = ImageQualityFilterStage().annotate(batch(np.full((*size, 3), level, np.uint8)))
    assert len(done.data) == 1
    assert not done.records
