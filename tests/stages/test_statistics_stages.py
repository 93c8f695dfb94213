"""The header and statistics scores as stages: what they declare is what they give, of any image, in any company."""

from __future__ import annotations

import numpy as np
import pytest

from nemo_curator.codecs.decode import DECODERS
from nemo_curator.codecs.encode import encode
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import StageError
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs import Run
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.declarations import Cost
from nemo_curator.stages.image.io.rows import IDENTITY
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import encoded, make_tar, photo

PLACE = "nemo_curator.stages.image.filters"
NAMES = ("header", "sharpness", "detail", "exposure", "contrast", "entropy", "colour", "borders", "blockiness", "edges")
SIZES = [(1, 1), (1, 900), (900, 1), (2, 3), (7, 5), (41, 40), (300, 200), (640, 480)]


def dotted(name: str) -> str:
    """The stage of a recipe name by its path."""
    return f"{PLACE}.{name}_filter:Image{name.capitalize()}FilterStage"


def stage(name: str, **parameters):
    """The stage of a recipe name."""
    return make_score_stage(dotted(name), parameters)


def images() -> list[ImageObject]:
    """Pictures of many sizes and kinds, encoded."""
    files = [encoded(photo(seed, *size), "PNG") for seed, size in enumerate(SIZES)]
    files += [encoded(photo(9, 500, 375), quality=quality) for quality in (95, 10)]
    files += [encoded(np.full((60, 80, 3), level, np.uint8), "PNG") for level in (0, 128, 255)]
    return [ImageObject(image_id=f"{n}", encoded=data, header=probe(data)) for n, data in enumerate(files)]


def scores(name: str, batches: list[list[ImageObject]], size: int = 32) -> dict[str, dict]:
    """Image id to columns, after `annotate` of each batch."""
    one = stage(name, model_inference_batch_size=size)
    done = [one.annotate(ImageBatch(data=batch)) for batch in batches]
    assert all(not batch.records for batch in done)
    return {image.image_id: dict(image.scores) for batch in done for image in batch.data}


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_as_declared(name):
    """Every declared column is there, of its type and inside its range, down to one pixel."""
    columns = stage(name).score_columns()
    assert not {column.name for column in columns} & set(IDENTITY)
    kinds = {"float": float, "int": int, "bool": bool}
    for found in scores(name, [images()]).values():
        assert list(found) == [column.name for column in columns]
        for column in columns:
            assert type(found[column.name]) is kinds[column.type], column.name
            if column.range is not None:
                assert column.range[0] <= found[column.name] <= column.range[1], column.name


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_and_batch_size_change_nothing(name):
    """Alone, in any order and in batches of any size, each image has the same scores, to the last bit."""
    whole = scores(name, [images()])
    assert scores(name, [[image] for image in images()]) == whole
    assert scores(name, [images()[::-1]], size=3) == whole


def test_no_column_twice():
    """Nine stages, no name in common, and none of them a model."""
    columns = [column.name for name in NAMES for column in stage(name).score_columns()]
    assert len(columns) == len(set(columns))
    assert {stage(name).cost for name in NAMES} == {Cost.HEADER, Cost.STATISTICS}


def test_scores_of_all_of_them_need_one_decode(tmp_path, monkeypatch):
    """Header and statistics scores together decode each image once, and cut two views of it."""
    calls = []

    def counting(real):
        return lambda request: calls.append(request.header) or real(request)

    for kind, real in DECODERS.items():
        monkeypatch.setitem(DECODERS, kind, counting(real))
    make_tar(tmp_path / "in" / "0.tar", [(f"{i}.jpg", encoded(photo(i, 300, 200))) for i in range(4)])
    recipe = Recipe(scores=[dotted(name) for name in NAMES], rules={})
    summary = curate([str(tmp_path / "in")], str(tmp_path / "out"), recipe, workers=0)
    assert summary.funnel.kept == 4
    assert len(calls) == 4
    assert len({view for name in NAMES for view in stage(name).needs().views}) == 2
    columns = [column.name for name in NAMES for column in stage(name).score_columns()]
    assert Run(tmp_path / "out" / "run").table(columns).num_rows == 4


@pytest.mark.parametrize("name", ["contrast", "colour", "borders", "blockiness", "edges"])
def test_without_a_threshold_nothing_is_rejected_by_guess(name):
    """No figure has a basis for every data set: in a hand-made pipeline one must be given."""
    with pytest.raises(StageError, match="no threshold"):
        stage(name).process(ImageBatch(data=images()))


@pytest.mark.parametrize(
    ("name", "threshold", "kept"),
    [
        ("contrast", 0.1, {"9", "8", "6", "7"}),
        ("borders", 0.5, {"6", "7", "8", "9"}),
        ("blockiness", 2.0, {"6", "7", "8", "10", "11", "12"}),
    ],
)
def test_thresholds_keep_the_right_side(name, threshold, kept):
    """Contrast is kept from the threshold up, frames and blocks below it."""
    one = stage(name)
    one.score_threshold = threshold
    done = one.process(ImageBatch(data=images()))
    large = {str(number) for number in range(6, 13)}  # the small ones are too small to be told here
    assert {image.image_id for image in done.data} & large == kept


def test_header_of_extreme_shapes():
    """A line of 65,000 pixels has that aspect; what was made from pixels alone has no bits."""
    data = encoded(np.zeros((1, 65_000, 3), np.uint8), "PNG")
    line = ImageObject(image_id="line", encoded=data, header=probe(data))
    turned = ImageObject(image_id="turned", image_data=np.zeros((65_000, 1, 3), np.uint8))
    found = scores("header", [[line, turned]])
    assert found["line"]["aspect"] == found["turned"]["aspect"] == 65_000
    assert found["line"]["min_side"] == found["turned"]["min_side"] == 1
    assert found["line"]["pixels"] == 65_000
    assert found["line"]["bits_per_pixel"] == 8 * len(data) / 65_000
    assert found["turned"]["bits_per_pixel"] == 0


def test_header_of_replaced_pixels():
    """Once its pixels are replaced, an image has their size, no bits, and no name that could be wrong."""
    data = encoded(photo(1, 90, 60))
    image = ImageObject(image_path="a.jpg", image_id="edited", encoded=data, header=probe(data))
    image.image_data = photo(2, 30, 20)
    made = ImageObject(image_path="b.jpg", image_id="made", image_data=photo(2, 30, 20))
    found = scores("header", [[image, made]])
    assert found["edited"] == found["made"]
    assert found["made"] == {"min_side": 20, "aspect": 1.5, "pixels": 600, "bits_per_pixel": 0, "mislabelled": False}


@pytest.mark.parametrize(
    "pixels",
    [
        photo(3)[..., 0],
        photo(3)[..., :1],
        np.dstack([photo(3), photo(4)[..., :1]]),
        photo(3) / 255,
        photo(3).astype(np.uint16) * 257,
        photo(3) > 128,
        photo(3)[:, ::-1],
    ],
    ids=["grey", "one channel", "transparent", "floats", "16 bits", "truth values", "mirrored"],
)
@pytest.mark.parametrize("times", [1, 4])
def test_pixels_of_any_kind_are_scored_as_they_are_written(pixels, times):
    """Pixels that a user's stage sets, of whatever type and shape, score as the file that a writer makes of them."""
    pixels = pixels.repeat(times, axis=0).repeat(times, axis=1)  # at the size of a view, and larger
    data, _ = encode(pixels)
    for name in NAMES[1:]:
        made = ImageObject(image_id="one", image_data=pixels)
        written = ImageObject(image_id="one", encoded=data, header=probe(data))
        assert scores(name, [[made]]) == scores(name, [[written]]), name
