"""The score `pixels`: one hash for one picture, whatever file it came in."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image
from tests.kernels.pdq_pictures import picture

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.errors import StageError
from nemo_curator.kernels.pixel_hash import pixel_hash
from nemo_curator.stages.image.filters.pixel_hash_filter import ImagePixelHashFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import encoded

STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""EXIF orientation to how pixels lie in a file that is upright with it."""


def exif(orientation: int) -> bytes:
    """EXIF that says how to turn."""
    found = Image.Exif()
    found[274] = orientation
    return found.tobytes()


def hashes(*files: bytes) -> list[str]:
    """The hash of each file."""
    images = [ImageObject(image_id=str(at), encoded=one) for at, one in enumerate(files)]
    return [one.scores["pixels_sha256"] for one in ImagePixelHashFilterStage().annotate(ImageBatch(data=images)).data]


def test_what_is_hashed():
    """Height, width and pixels, and nothing else."""
    pixels = picture(1, 31, 17)
    known = hashlib.sha256((17).to_bytes(8, "little") + (31).to_bytes(8, "little") + pixels.tobytes()).hexdigest()
    assert hashes(encoded(pixels, "PNG")) == [known]
    assert pixel_hash(np.asfortranarray(pixels)) == known
    assert pixel_hash(pixels[::-1]) != known


def test_one_picture_in_lossless_formats():
    """Formats, compression and metadata make no difference where they keep the pixels."""
    pixels = picture(2, 120, 80)
    files = [
        encoded(pixels, "PNG"),
        encoded(pixels, "PNG", compress_level=0),
        encoded(pixels, "BMP"),
        encoded(pixels, "TIFF"),
        encoded(pixels, "WEBP", lossless=True),
        encoded(pixels, "PNG", exif=exif(1)),
    ]
    assert len(set(files)) == 6
    assert len(set(hashes(*files))) == 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_every_orientation(kind):
    """Pixels that lie turned in the file, and are turned back by EXIF, are the same picture."""
    upright = picture(3, 90, 60)
    options = {"lossless": True} if kind == "WEBP" else {}
    files = [
        encoded(np.ascontiguousarray(lie(upright)), kind, exif=exif(orientation), **options)
        for orientation, lie in STORED.items()
    ]
    assert set(hashes(*files)) == {pixel_hash(upright)}


def test_other_pictures_have_other_hashes():
    """One level of one pixel, a turn, and equal pixels in another shape make another hash."""
    pixels = picture(4, 60, 40)
    other = pixels.copy()
    other[5, 5, 2] ^= 1
    reshaped = pixels.reshape(60, 40, 3)
    files = [encoded(np.ascontiguousarray(one), "PNG") for one in (pixels, other, pixels[::-1], reshaped)]
    assert len(set(hashes(*files))) == 4


def test_an_image_made_from_pixels():
    """An image without bytes has the hash of its pixels."""
    [one] = (
        ImagePixelHashFilterStage()
        .annotate(ImageBatch(data=[ImageObject(image_id="x", image_data=picture(1, 9, 9))]))
        .data
    )
    assert one.scores["pixels_sha256"] == pixel_hash(picture(1, 9, 9))


def test_the_full_picture_is_asked_for():
    """The stage needs full pixels, so that no reduced decode can stand for them."""
    assert ImagePixelHashFilterStage().needs().pixels


def test_nothing_to_compare_with():
    """In a pipeline made by hand it rejects nothing; a threshold for a hash is told as the mistake it is."""
    batch = ImageBatch(data=[ImageObject(image_id="x", image_data=picture(1, 9, 9))])
    assert [image.image_id for image in ImagePixelHashFilterStage().process(batch).data] == ["x"]
    with pytest.raises(StageError):
        ImagePixelHashFilterStage(score_threshold=1.0).process(batch)


def test_eight_orientations_of_a_real_photo(shared_data):
    """One photo saved without loss in all orientations has one hash; the four photos of the copy set have four."""
    folder = shared_data / "copies" / "exif-rotn"
    if not folder.is_dir():
        pytest.skip("the copy-detection set is not there")
    files = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    assert len(set(hashes(*files))) == len(files) == 4
    upright = decode(files[2], probe(files[2]))[:200, :300]
    saved = [encoded(np.ascontiguousarray(lie(upright)), "PNG", exif=exif(at)) for at, lie in STORED.items()]
    assert len(set(hashes(*saved))) == 1
