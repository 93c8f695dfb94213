"""PDQ: equal to the reference on the same pixels, nearly so on the small view, defined for everything."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image
from tests.kernels.pdq_pictures import golden, picture

from nemo_curator.codecs.decode import decode
from nemo_curator.codecs.probe import probe
from nemo_curator.codecs.views import cut
from nemo_curator.kernels.pdq import pack, pdq, spectrum
from nemo_curator.kernels.view import View
from nemo_curator.testing import encoded

VIEW = View(256, fit="long", enlarge=False, filter="box")


def between(one: bytes, other: bytes) -> int:
    """Bits in which two hashes differ."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def of_view(pixels: np.ndarray) -> bytes:
    """The hash by way of the statistics view, as the score takes it."""
    return pdq(cut(np.ascontiguousarray(pixels), [VIEW])[VIEW], pixels.shape[1::-1]).bits


@pytest.mark.parametrize("row", golden(), ids=lambda row: f"{row['width']}x{row['height']}")
def test_equal_to_the_reference(row):
    """On the same pixels hash and quality are those of the reference implementation, bit by bit."""
    found = pdq(picture(row["seed"], row["width"], row["height"]))
    assert (found.hex, found.quality) == (row["hash"], row["quality"])


@pytest.mark.parametrize(
    "row", [row for row in golden() if min(row["width"], row["height"]) > 60], ids=lambda row: str(row["seed"])
)
def test_the_view_is_enough(row):
    """The hash of the 256-pixel view is that of the full picture to within a few bits, because it knows its size."""
    pixels = picture(row["seed"], row["width"], row["height"])
    assert between(of_view(pixels), bytes.fromhex(row["hash"])) <= 24


def test_the_size_is_what_makes_it_so():
    """A reduced picture that does not say what it was reduced from is sampled elsewhere, and differs more."""
    pixels = picture(3, 1200, 900)
    view = cut(pixels, [VIEW])[VIEW]
    full = pdq(pixels).bits
    assert between(pdq(view, (1200, 900)).bits, full) < between(pdq(view).bits, full)


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 80), st.just(3))))
@settings(max_examples=60)
def test_every_picture_has_a_hash(pixels):
    """From one pixel up there are 32 bytes, half of their bits set or fewer where numbers are equal, and a quality."""
    found = pdq(pixels)
    assert len(found.bits) == 32
    assert int.from_bytes(found.bits).bit_count() <= 128
    assert 0 <= found.quality <= 100
    assert pdq(np.asfortranarray(pixels)) == found


@pytest.mark.parametrize("size", [(1, 1), (4, 300), (300, 4), (5, 5), (64, 64), (301, 199)])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (17, 90, 201)])
def test_a_uniform_picture_has_no_structure(size, colour):
    """One colour gives a hash of zeros and quality 0, whatever the size and colour."""
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    assert pdq(pixels).bits == bytes(32)
    assert pdq(pixels, (4 * size[0], 4 * size[1])).bits == bytes(32)
    assert pdq(pixels).quality == 0


def test_order_of_the_bits():
    """The first frequency is the last bit, as in the hex that PDQ's tools write."""
    frequencies = np.zeros((16, 16))
    frequencies[0, 0] = 1
    assert pack(frequencies).hex() == "0" * 63 + "1"
    frequencies[15, 15] = 1
    assert pack(frequencies).hex() == "8" + "0" * 62 + "1"


def test_turning_turns_the_spectrum():
    """A picture turned about its diagonal has the turned spectrum: the other seven views of it cost no transform."""
    pixels = picture(1, 128, 128)
    here, quality = spectrum(pixels)
    there, same = spectrum(pixels.transpose(1, 0, 2))
    assert np.abs(here.T - there).max() <= 1e-6 * np.abs(here).max()
    assert quality == same


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: Image.open(io.BytesIO(encoded(np.array(image), quality=40))),
        lambda image: image.resize((217, 160), Image.Resampling.LANCZOS),
        lambda image: image.resize((900, 700), Image.Resampling.BICUBIC),
        lambda image: image.convert("L").convert("RGB"),
        lambda image: image.point(lambda value: value * 0.8 + 20),
    ],
    ids=["jpeg", "smaller", "other shape", "grey", "brightness"],
)
def test_what_changes_little_stays_near(edit):
    """A picture saved again, resized, greyed or brightened stays within 31 bits; another one is far away."""
    original, other = picture(5, 640, 480), picture(6, 640, 480)
    changed = np.array(edit(Image.fromarray(original)))
    assert between(of_view(changed), of_view(original)) <= 31
    assert between(of_view(other), of_view(original)) > 60


def real_pictures(folder):
    """Some real photos and edits of one."""
    for path in [*sorted((folder / "kodak").glob("*.png"))[:8], *sorted((folder / "copies").glob("*/*.jpg"))]:
        yield path.read_bytes()
    with tarfile.open(min((folder / "photos").glob("*.tar"))) as tar:
        for member in [one for one in tar if one.name.endswith(".jpg")][:40]:
            yield tar.extractfile(member).read()


def test_real_photos_against_the_reference(shared_data):
    """On real photos the full picture gives the reference's hash exactly, and the view one within a few bits."""
    reference = pytest.importorskip("pdqhash", reason="the reference implementation of PDQ is not installed")
    away = []
    for data in real_pictures(shared_data):
        pixels = decode(data, probe(data))
        bits, quality = reference.compute(pixels)
        wanted = int("".join(str(int(bit)) for bit in bits), 2).to_bytes(32)
        found = pdq(pixels)
        assert (found.bits, found.quality) == (wanted, quality)
        away.append(between(of_view(pixels), wanted))
    assert np.quantile(away, 0.9) <= 10
    assert max(away) <= 31


def test_edits_of_one_photo(shared_data):
    """All eleven edits of the copy-detection set are found at the distance that the authors recommend."""
    folder = shared_data / "copies" / "bridge-mods"
    hashes = {path.stem: of_view(decode(data, probe(data))) for path in folder.iterdir() if (data := path.read_bytes())}
    away = {name: between(one, hashes["aaa-orig"]) for name, one in hashes.items()}
    assert len(away) == 12
    assert max(away.values()) <= 31
