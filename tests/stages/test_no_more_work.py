"""Promise 6: no pixel is decoded that nobody asked for, and no image is decoded twice."""

from dataclasses import dataclass

import numpy as np
import pytest

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.codecs.decode import DECODERS
from nemo_curator.pipeline import Pipeline
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.image.filters.base import BaseFilterStage
from nemo_curator.stages.image.filters.entropy_filter import ImageEntropyFilterStage
from nemo_curator.stages.image.filters.header_filter import ImageHeaderFilterStage
from nemo_curator.stages.image.filters.sharpness_filter import ImageSharpnessFilterStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.stages.image.io.image_writer import ImageWriterStage
from nemo_curator.testing import encoded, make_tar, photo

COUNT = 5


@pytest.fixture
def photos(tmp_path):
    """A tar of a few photos."""
    make_tar(tmp_path / "photos" / "0.tar", [(f"{i}.jpg", encoded(photo(i, 300, 200))) for i in range(COUNT)])
    return str(tmp_path / "photos")


@pytest.fixture
def decoded(monkeypatch):
    """Tally of the decoders' calls; the decoders themselves do their work."""
    calls = []

    def counting(real):
        return lambda request: calls.append(request.header) or real(request)

    for kind, real in DECODERS.items():
        monkeypatch.setitem(DECODERS, kind, counting(real))
    return calls


def test_header_scores_decode_nothing(photos, tmp_path, decoded):
    """A recipe whose scores need no pixels runs without one decode."""
    summary = curate([photos], str(tmp_path / "out"), Recipe(scores=["header"], rules={}), workers=0)
    assert summary.funnel.kept == COUNT
    assert decoded == []


def test_a_broken_picture_behind_a_good_header_is_not_found_out_for_nothing(tmp_path):
    """Where no score asks for pixels, damage in them stays unseen, as the docs say; where one asks, it is found."""
    whole = encoded(photo(1, 300, 200))
    make_tar(tmp_path / "photos" / "0.tar", [("a.jpg", whole[: len(whole) // 2])])
    for scores, kept in ((["header"], 1), (["header", "entropy"], 0)):
        recipe = Recipe(scores=scores, rules={})
        out = str(tmp_path / f"out{kept}")
        assert curate([str(tmp_path / "photos")], out, recipe, workers=0).funnel.kept == kept


def test_several_scores_share_one_decode(photos, tmp_path, decoded):
    """Statistics and both models together decode each image once."""
    scores = ["header", "sharpness", "exposure", "entropy", "nsfw", "embedding"]
    curate([photos], str(tmp_path / "out"), Recipe(scores=scores, rules={}), workers=0)
    assert len(decoded) == COUNT


@dataclass
class Undeclared(BaseFilterStage):
    """Looks at the full picture and declares nothing."""

    _name: str = "undeclared_filter"
    score_threshold: float = 1000.0

    def score(self, images):
        """Mean of the pixels."""
        return np.array([image.image_data.mean() for image in images])


def run(photos, tmp_path, *filters):
    """A pipeline made by hand, in this process."""
    pipeline = Pipeline("p", stages=[FilePartitioningStage(photos), ImageReaderStage()])
    for stage in (*filters, ImageWriterStage(str(tmp_path / "tars"))):
        pipeline.add_stage(stage)
    return pipeline.run(LocalExecutor({"num_workers": 0}))


def test_a_pipeline_that_only_copies_decodes_nothing(photos, tmp_path, decoded):
    """Read, look at headers, write: no stage asked for pixels."""
    (written,) = run(photos, tmp_path, ImageHeaderFilterStage())
    assert written._metadata["num_images"] == COUNT
    assert decoded == []


def test_a_stage_that_declares_nothing_gets_the_full_picture(photos, tmp_path, decoded):
    """Documented pipelines find `image_data`, from one decode, whatever else wants views."""
    filters = (
        ImageSharpnessFilterStage(score_threshold=0.0),
        Undeclared(),
        ImageEntropyFilterStage(score_threshold=0.0),
    )
    (written,) = run(photos, tmp_path, *filters)
    assert written._metadata["num_images"] == COUNT
    assert len(decoded) == COUNT
