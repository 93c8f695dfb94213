"""The score `hashes`, and the stage that leaves out known images in a pipeline made by hand."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest
from PIL import Image
from tests.kernels.pdq_pictures import picture

from nemo_curator.backends.local import LocalExecutor
from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import InputError, RecipeError
from nemo_curator.kernels.pdq import pdq
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.file_partitioning import FilePartitioningStage
from nemo_curator.stages.fingerprint import stage_facts
from nemo_curator.stages.image.filters.hash_filter import ImageHashFilterStage
from nemo_curator.stages.image.filters.known_bad_filter import ImageKnownBadFilterStage
from nemo_curator.stages.image.io.image_reader import ImageReaderStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import encoded, make_tar

DOTTED = "nemo_curator.stages.image.filters.known_bad_filter:ImageKnownBadFilterStage"


def image(seed: int, **options) -> ImageObject:
    """An image as a reader gives it: bytes, with the header."""
    data = encoded(picture(seed, 400, 300), **(options or {"quality": 92}))
    return ImageObject(image_id=f"{seed}", encoded=data, header=probe(data))


def scores(stage, *images: ImageObject) -> list[dict]:
    """What a stage records of some images."""
    return [one.scores for one in stage.annotate(ImageBatch(data=list(images))).data]


def bits(one: str, other: str) -> int:
    """How far two hashes in hex are from each other."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_columns():
    """MD5 is of the bytes; PDQ is that of the full picture to within a few bits, in 64 digits; quality is a number."""
    one = image(1)
    [found] = scores(ImageHashFilterStage(), one)
    assert list(found) == ["pdq_quality", "md5", "pdq"]
    assert found["md5"] == hashlib.md5(one.encoded, usedforsecurity=False).hexdigest()
    assert len(found["pdq"]) == 64
    assert bits(found["pdq"], pdq(decode(one.encoded, one.header)).hex) <= 16
    assert isinstance(found["pdq_quality"], int)


def test_batches_and_neighbours_change_nothing():
    """Hashes are the same alone, in any batch and in any order."""
    alone = [scores(ImageHashFilterStage(), image(seed))[0] for seed in range(5)]
    together = scores(ImageHashFilterStage(model_inference_batch_size=2), *(image(seed) for seed in reversed(range(5))))
    assert together[::-1] == alone


def test_images_made_from_pixels():
    """An image without bytes has no MD5, and the PDQ hash of its pixels; new pixels have new hashes."""
    one = ImageObject(image_id="x", image_data=picture(1, 400, 300))
    [found] = scores(ImageHashFilterStage(), one)
    assert found["md5"] is None
    before = found["pdq"]
    one.image_data = np.ascontiguousarray(picture(2, 900, 700))
    [found] = scores(ImageHashFilterStage(), one)
    assert bits(found["pdq"], pdq(picture(2, 900, 700)).hex) <= 24
    assert bits(found["pdq"], before) > 60


def test_one_pixel():
    """The smallest picture has hashes too: no structure, no quality."""
    data = encoded(np.full((1, 1, 3), 7, np.uint8), "PNG")
    [found] = scores(ImageHashFilterStage(), ImageObject(image_id="x", encoded=data))
    assert (found["pdq"], found["pdq_quality"]) == ("0" * 64, 0)


def test_orientation_is_applied():
    """The hash is of the upright picture: a photo turned by EXIF has the hash of the one that is stored turned."""
    exif = Image.Exif()
    exif[274] = 6
    pixels = picture(1, 400, 300)
    turned = encoded(np.rot90(pixels), quality=95, exif=exif.tobytes())
    plain = encoded(np.rot90(np.rot90(pixels), -1), quality=95)
    first, second = scores(ImageHashFilterStage(), *(ImageObject(image_id="x", encoded=one) for one in (turned, plain)))
    assert bits(first["pdq"], second["pdq"]) <= 8


def write(folder, name: str, *digits: str) -> str:
    """A list of hashes."""
    path = folder / name
    path.write_text("".join(f"{one}\n" for one in digits))
    return str(path)


@pytest.fixture
def lists(tmp_path):
    """Lists of the bytes of image 1 and of image 2, and of the picture of image 3."""
    return {
        "sums": write(tmp_path, "sums.md5", hashlib.md5(image(1).encoded, usedforsecurity=False).hexdigest()),
        "long": write(tmp_path, "long.sha256", hashlib.sha256(image(2).encoded).hexdigest()),
        "pictures": write(tmp_path, "pictures.pdq", pdq(picture(3, 400, 300)).hex),
    }


def test_known_images_are_left_out(lists):
    """Listed bytes and pictures are rejected under the list's name, with what matched; a picture saved again too."""
    again = ImageObject(image_id="again", encoded=encoded(picture(3, 400, 300), quality=30))
    batch = ImageKnownBadFilterStage(lists=lists).process(ImageBatch(data=[*map(image, range(5)), again]))
    assert [one.image_id for one in batch.data] == ["0", "4"]
    records = {one.image_id: one for one in batch.records}
    assert {name: (one.verdict, one.stage, one.rule) for name, one in records.items()} == {
        "1": ("reject", "known_bad", "sums"),
        "2": ("reject", "known_bad", "long"),
        "3": ("reject", "known_bad", "pictures"),
        "again": ("reject", "known_bad", "pictures"),
    }
    assert (records["1"].score, records["1"].threshold) == (None, None)
    assert records["1"].detail.startswith("md5:")
    assert records["2"].detail.endswith(" is on the list long")
    assert 0 <= records["again"].score <= records["again"].threshold == 31
    assert f"bits from pdq:{pdq(picture(3, 400, 300)).hex} on the list pictures" in records["again"].detail


def test_known_images_as_columns(lists):
    """Given as a score, it records which list has an image, by which hash and how far; NULL where none has."""
    stage = make_score_stage(DOTTED, {"lists": lists, "distance": 20})
    first, second, third = scores(stage, image(0), image(1), image(3))
    assert first == {"is_known_bad": False, "known_bad": None, "known_bad_hash": None, "known_bad_distance": None}
    assert (second["is_known_bad"], second["known_bad"], second["known_bad_distance"]) == (True, "sums", None)
    assert (third["known_bad"], type(third["known_bad_distance"])) == ("pictures", int)


def test_the_first_list_counts(lists, tmp_path):
    """An image on two lists bears the name of the first, and on one list equal bytes go before the picture."""
    both = write(tmp_path, "both", f"md5,{hashlib.md5(image(3).encoded, usedforsecurity=False).hexdigest()}",
                 f"pdq,{pdq(picture(3, 400, 300)).hex}")  # fmt: skip
    for order, name in ((["pictures", "both"], "pictures"), (["both", "pictures"], "both")):
        files = {**lists, "both": both}
        [found] = scores(ImageKnownBadFilterStage(lists={one: files[one] for one in order}), image(3))
        assert found["known_bad"] == name
    assert found["known_bad_hash"] != f"pdq:{pdq(picture(3, 400, 300)).hex}" or name == "pictures"
    [found] = scores(ImageKnownBadFilterStage(lists=[both]), image(3))
    assert (found["known_bad"], found["known_bad_distance"]) == ("both", None)


def test_distance_and_quality(lists, tmp_path):
    """Both say what counts as a match; a picture without structure is never one."""
    edited = image(3, quality=8)
    assert not scores(ImageKnownBadFilterStage(lists=lists, distance=0), edited)[0]["is_known_bad"]
    [quality] = [one["pdq_quality"] for one in scores(ImageHashFilterStage(), image(3))]
    for least, known in ((quality, True), (min(100, quality + 1), quality == 100)):
        assert scores(ImageKnownBadFilterStage(lists=lists, min_quality=least), image(3))[0]["is_known_bad"] == known
    flat = ImageObject(image_id="x", encoded=encoded(np.full((50, 50, 3), 9, np.uint8), "PNG"))
    zeros = write(tmp_path, "zeros.pdq", "0" * 64)
    assert not scores(ImageKnownBadFilterStage(lists=[zeros]), flat)[0]["is_known_bad"]


def test_needs_and_facts(lists):
    """Pixels are asked for by lists of pictures alone; another list is another fingerprint, another place is none."""
    assert not ImageKnownBadFilterStage(lists=[lists["sums"]]).needs().views
    assert ImageKnownBadFilterStage(lists=[lists["pictures"]]).needs().views
    one = ImageKnownBadFilterStage(lists=lists)
    assert pickle.loads(pickle.dumps(one)).provenance() == one.provenance()  # noqa: S301 (our own)
    assert stage_facts(ImageKnownBadFilterStage(lists={**lists, "sums": lists["long"]})) != stage_facts(one)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"lists": []}, {"lists": ["a/x.md5", "b/x.md5"]}, {"distance": 32}, {"distance": -1}, {"min_quality": 101}],
)
def test_mistakes_are_told_when_it_is_made(lists, wrong):
    """No list, two of one name, or numbers out of their range are refused at once; by a recipe, as its mistake."""
    given = {"lists": lists, **wrong} if wrong and "lists" not in wrong else wrong
    with pytest.raises(ValueError, match=r"lists=|distance"):
        ImageKnownBadFilterStage(**given)
    with pytest.raises(RecipeError, match=r"lists=|distance"):
        make_score_stage(DOTTED, given)


def test_a_list_that_is_not_there(tmp_path):
    """A file that cannot be read is told when the stage is made."""
    with pytest.raises(InputError, match="cannot be read"):
        ImageKnownBadFilterStage(lists=[str(tmp_path / "nowhere.md5")])


def test_in_a_pipeline_with_workers(lists, tmp_path):
    """In a pipeline with workers, which read the lists themselves, the same images are left out."""
    make_tar(tmp_path / "photos" / "0.tar", [(f"{seed}.jpg", image(seed).encoded) for seed in range(5)])
    pipeline = Pipeline("p", stages=[FilePartitioningStage(str(tmp_path / "photos")), ImageReaderStage()])
    pipeline.add_stage(ImageKnownBadFilterStage(lists=lists))
    [batch] = pipeline.run(LocalExecutor({"num_workers": 1}))
    assert [one.image_id.rpartition("/")[2] for one in batch.data] == ["0", "4"]
    assert sorted(one.rule for one in batch.records) == ["long", "pictures", "sums"]
