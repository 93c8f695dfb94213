"""The score `turned_hashes`: what a picture's hash would be, were it turned or mirrored."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.kernels.pdq_pictures import picture

from nemo_curator.codecs.probe import probe
from nemo_curator.kernels.pdq import mirrored_spectra, pdq, spectrum
from nemo_curator.kernels.pdq_turns import TURNS, turned
from nemo_curator.stages.image.filters.hash_filter import ImageHashFilterStage
from nemo_curator.stages.image.filters.turned_hash_filter import ImageTurnedHashFilterStage
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import encoded

WAYS = (
    lambda pixels: np.rot90(pixels, -1),
    lambda pixels: np.rot90(pixels, 2),
    np.rot90,
    np.fliplr,
    np.flipud,
    lambda pixels: pixels.transpose(1, 0, 2),
    lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
)
"""What TURNS says in words."""


def of_file(data: bytes) -> tuple[str, list[str]]:
    """The hash of a file, and the seven."""
    batch = ImageBatch(data=[ImageObject(image_id="x", encoded=data, header=probe(data))])
    for stage in (ImageHashFilterStage(), ImageTurnedHashFilterStage()):
        batch = stage.annotate(batch)
    found = batch.data[0].scores
    return found["pdq"], [found["pdq_turned"][at : at + 64] for at in range(0, 7 * 64, 64)]


def bits(one: str, other: str) -> int:
    """How far two hashes in hex are from each other."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


@given(st.integers(0, 50), st.integers(1, 300), st.integers(1, 300))
@settings(max_examples=25)
def test_they_are_the_hashes_of_the_turned_picture(seed, width, height):
    """On the same pixels, each of the seven is the turned picture's own hash, but for bits that rounding decides.

    Of a picture on its side the other direction is sampled first, and rounded.
    """
    pixels = picture(seed, width, height)
    found = turned(spectrum(pixels)[0], mirrored_spectra(pixels))
    assert len(found) == len(TURNS)
    own = [pdq(np.ascontiguousarray(way(pixels))).bits for way in WAYS]
    assert max(bits(one.hex(), other.hex()) for one, other in zip(found, own, strict=True)) <= 8


@pytest.mark.parametrize("size", [(400, 300), (299, 517), (1200, 400)])
def test_from_the_view(size):
    """From the view that the stage sees, they are within a few bits of the turned file's hash by its own view."""
    pixels = picture(9, *size)
    _, seven = of_file(encoded(pixels, "PNG"))
    own = [of_file(encoded(np.ascontiguousarray(way(pixels)), "PNG"))[0] for way in WAYS]
    assert max(map(bits, seven, own)) <= 10
    assert bits(seven[0], seven[1]) > 31


def test_turning_back():
    """The hashes of a turned picture have the first one's among them: finding a turn does not depend on the side."""
    pixels = picture(7, 300, 220)
    here, _ = of_file(encoded(pixels, "PNG"))
    for at, way in enumerate(WAYS):
        _, seven = of_file(encoded(np.ascontiguousarray(way(pixels)), "PNG"))
        back = {0: 2, 2: 0}.get(at, at)
        assert bits(seven[back], here) <= 10


@pytest.mark.parametrize("shape", [(1, 1), (4, 90), (50, 50)])
def test_a_picture_without_structure(shape):
    """One colour, or a picture too small for PDQ, has zeros seven times."""
    _, seven = of_file(encoded(np.full((*shape, 3), 99, np.uint8), "PNG"))
    assert set(seven) == {"0" * 64}


def test_the_dihedral_set(shared_data):
    """Of the copy-detection set's eight turns of one photo, each is found by the turned hashes of the first."""
    folder = shared_data / "copies" / "dih"
    if not folder.is_dir():
        pytest.skip("the copy-detection set is not there")
    first, *others = (of_file(path.read_bytes()) for path in sorted(folder.glob("*.jpg")))
    assert len(others) == 7
    found = [min(range(7), key=lambda turn: bits(one, first[1][turn])) for one, _ in others]
    assert sorted(found) == list(range(7))
    assert max(min(bits(one, seven) for seven in first[1]) for one, _ in others) <= 16
    assert min(bits(one, first[0]) for one, _ in others) > 60


def test_no_false_pairs_with_the_turns(shared_data):
    """No two different real photos are within 31 bits, in any of eight ways."""
    files = [path.read_bytes() for path in sorted((shared_data / "kodak").glob("*.png"))]
    files += [path.read_bytes() for path in sorted((shared_data / "copies" / "exif-rotn").glob("*.jpg"))]
    with tarfile.open(min((shared_data / "photos").glob("*.tar"))) as tar:
        files += [tar.extractfile(one).read() for one in tar if one.name.endswith(".jpg")][:60]
    found = [of_file(data) for data in files]
    near = [
        (first, second)
        for first, (here, _) in enumerate(found)
        for second, (there, seven) in enumerate(found)
        if first != second and min(bits(here, one) for one in [there, *seven]) <= 31
    ]
    assert near == []
