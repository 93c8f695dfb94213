"""Copies are found by their PDQ hashes, and different photos are not taken for copies."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tests.kernels.pdq_pictures import picture

from nemo_curator.kernels.hamming_self import self_pairs
from nemo_curator.stages.image.filters.hash_filter import ImageHashFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import encoded

RADIUS = 31


def near(files: dict[str, bytes]) -> set[tuple[str, str]]:
    """Which files are copies of each other, as a run finds them: hashed by the stage, searched all against all."""
    names = sorted(files)
    batch = ImageBatch(data=[ImageObject(image_id=name, encoded=files[name]) for name in names])
    found = [image.scores["pdq"] for image in ImageHashFilterStage().annotate(batch).data]
    hashes = np.array([list(bytes.fromhex(one)) for one in found], np.uint8)
    return {
        (names[left], names[right])
        for block in self_pairs(hashes, RADIUS)
        for left, right in zip(block.left.tolist(), block.right.tolist(), strict=True)
    }


def edits(pixels: np.ndarray) -> dict[str, bytes]:
    """One picture, and what people do to pictures without changing what they show."""
    image = Image.fromarray(pixels)
    made = {
        "grey": image.convert("L").convert("RGB"),
        "blurred": image.filter(ImageFilter.GaussianBlur(2)),
        "sharpened": image.filter(ImageFilter.UnsharpMask(3)),
        "brighter": image.point([min(255, level + 15) for level in range(256)] * 3),
        "contrast": image.point([max(0, min(255, round(128 + 1.2 * (level - 128)))) for level in range(256)] * 3),
        "shrunk": image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
        "squared": image.resize((128, 128)),
    }
    files = {name: encoded(np.array(one), quality=90) for name, one in made.items()}
    return {"0": encoded(pixels, "PNG"), "saved": encoded(pixels, quality=20), **files}


@pytest.mark.parametrize("seed", range(3))
def test_edits_of_a_made_picture(seed):
    """Every edit of one picture is a copy of it, and none of another picture."""
    files = edits(picture(seed, 640, 480))
    found = near({**files, "z": encoded(picture(seed + 50, 640, 480), quality=90)})
    assert {right for left, right in found if left == "0"} == set(files) - {"0"}
    assert not any("z" in pair for pair in found)


def test_edits_of_the_known_photo(shared_data):
    """All eleven edits of the copy-detection set are copies of their original at the default radius."""
    folder = shared_data / "copies" / "bridge-mods"
    if not folder.is_dir():
        pytest.skip("the copy-detection set is not there")
    found = near({path.stem: path.read_bytes() for path in folder.glob("*.jpg")})
    assert len({right for left, right in found if left == "aaa-orig"}) == 11


@pytest.mark.parametrize("shards", [2, pytest.param(8, marks=pytest.mark.soak)])
def test_no_false_pair_among_different_photos(shared_data, shards):
    """No two of the different real photos, hundreds and all, are taken for copies, at the default radius."""
    files = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in (shared_data / "kodak").glob("*.png")}
    files |= {f"exif/{path.name}": path.read_bytes() for path in (shared_data / "copies" / "exif-rotn").glob("*.jpg")}
    for shard in sorted((shared_data / "photos").glob("*.tar"))[:shards]:
        with tarfile.open(fileobj=io.BytesIO(shard.read_bytes())) as tar:
            files |= {
                f"{shard.stem}/{one.name}": tar.extractfile(one).read() for one in tar if one.name.endswith("jpg")
            }
    assert len(files) == 28 + 125 * shards
    assert near(files) == set()
