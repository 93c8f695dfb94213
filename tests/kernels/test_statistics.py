from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from nemo_curator.codecs.views import cut
from nemo_curator.kernels.blockiness import blockiness
from nemo_curator.kernels.borders import borders
from nemo_curator.kernels.colour import colour
from nemo_curator.kernels.contrast import contrast, dynamic_range
from nemo_curator.kernels.edges import edge_density
from nemo_curator.kernels.entropy import entropy
from nemo_curator.kernels.exposure import exposure
from nemo_curator.kernels.luma import histogram, luma
from nemo_curator.kernels.noise import noise
from nemo_curator.kernels.sharpness import sharpness, sharpness_and_noise
from nemo_curator.kernels.view import View

VIEW = View(256, fit="long", enlarge=False, filter="box")
PICTURES = npst.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))
SEVERITIES = (1, 2, 3, 4)


def view(pixels: np.ndarray) -> np.ndarray:
    """The statistics view of a picture."""
    return cut(np.ascontiguousarray(pixels), [VIEW])[VIEW]


@pytest.fixture(scope="session")
def photos() -> dict[str, np.ndarray]:
    """Real photographs that scikit-image and scikit-learn ship in their wheels."""
    data = pytest.importorskip("skimage.data")
    datasets = pytest.importorskip("sklearn.datasets")
    own = {name: getattr(data, name)() for name in ("astronaut", "coffee", "chelsea")}
    return own | {name: datasets.load_sample_image(f"{name}.jpg") for name in ("china", "flower")}


@pytest.fixture(scope="session")
def damaged(photos):
    """(name, damage) -> the photograph undamaged and at four severities, as statistics views."""
    filters = pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(0)

    def blur(p, s):
        return filters.gaussian(p, sigma=1.5 * s, channel_axis=2, preserve_range=True)

    def grain(p, s):
        return p + rng.normal(0, 8 * s, p.shape)

    def dark(p, s):
        return p * 0.6**s

    def bright(p, s):
        return 255 - (255 - p) * 0.6**s

    def flat(p, s):
        return 128 + (p - 128.0) * 0.5**s

    def faded(p, s):
        grey = p.mean(axis=2, keepdims=True)
        return grey + (p - grey) * 0.6**s

    def boxed(p, s):
        p = p.copy()
        p[: p.shape[0] * s // 16] = 0
        p[len(p) - p.shape[0] * s // 16 :] = 0
        return p

    series = {}
    for name, photo in photos.items():
        for damage in (blur, grain, dark, bright, flat, faded, boxed):
            steps = [photo] + [np.clip(np.rint(damage(photo, s)), 0, 255).astype(np.uint8) for s in SEVERITIES]
            series[name, damage.__name__] = [view(step) for step in steps]
    return series


def scored(damaged, damage, score):
    """The scores of every photograph over the severities of one damage."""
    return [[score(step) for step in steps] for (_, kind), steps in damaged.items() if kind == damage]


def falls(scores):
    """Whether each step is below the one before."""
    return all(a > b for a, b in pairwise(scores))


def rises(scores):
    """Whether each step is above the one before."""
    return falls(scores[::-1])


def grows(shares):
    """Whether a share of pixels, which may start and end flat, never falls and ends far up."""
    return shares == sorted(shares) and shares[-1] > shares[0] + 0.5


def vanishes(shares):
    """Whether a share never rises and ends at next to nothing."""
    return shares == sorted(shares, reverse=True) and shares[-1] < shares[0] / 5


@given(PICTURES)
def test_everything_is_defined_and_in_range(pixels):
    """From one pixel up, no figure is ever NaN or outside its range."""
    grey = luma(pixels)
    assert grey.shape == pixels.shape[:2]
    assert grey.dtype == np.uint8
    assert 0 <= sharpness(grey) <= 1
    assert 0 <= noise(grey) < 505
    assert 0 <= entropy(grey) <= 8
    assert 0 <= contrast(grey) <= 1
    assert all(0 <= share <= 1 for share in borders(pixels))
    assert 0 <= colour(pixels).colourfulness < 300
    assert isinstance(colour(pixels).grey, bool)
    assert all(0 <= share <= 1 for share in exposure(grey))
    assert 0 <= edge_density(grey) <= 1
    assert 0 <= blockiness(grey) <= 255


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 3), (6, 7), (171, 256)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_uniform_pictures(shape, level):
    """A uniform picture has no structure, no information and is nothing but frame."""
    pixels = np.full((*shape, 3), level, np.uint8)
    grey = luma(pixels)
    assert (grey == level).all()
    figures = (sharpness(grey), noise(grey), entropy(grey), contrast(grey), edge_density(grey), blockiness(grey))
    assert figures == (0, 0, 0, 0, 0, 0)
    assert borders(pixels) == (1, 1, 1)
    assert colour(pixels) == (0, True)
    measured = exposure(grey)
    assert (measured.dark, measured.bright, measured.mean) == (level == 0, level == 255, level / 255)
    assert measured.clipped == (level != 128)


def test_luma_weights():
    """BT.601: green counts most, blue least; grey levels keep their value."""
    primaries = np.eye(3, dtype=np.uint8)[None] * 255
    assert luma(primaries).tolist() == [[77, 149, 29]]
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.array_equal(luma(ramp)[0], np.arange(256))


def test_histogram_counts_every_pixel():
    """256 bins, summing to the pixels."""
    counts = histogram(np.array([[0, 0, 255]], np.uint8))
    assert (counts.shape, counts[0], counts[255], counts.sum()) == ((256,), 2, 1, 3)


def test_a_histogram_that_is_there_is_used():
    """Giving the histogram changes nothing but the work."""
    grey = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    counts = histogram(grey)
    for figure in (exposure, entropy, contrast, dynamic_range):
        assert figure(grey, counts) == figure(grey)
    assert sharpness_and_noise(grey) == (sharpness(grey), noise(grey))


def test_entropy_of_known_histograms():
    """Two equal levels are one bit, all 256 are eight."""
    assert entropy(np.array([[0, 255]], np.uint8)) == pytest.approx(1.0)
    assert entropy(np.arange(256, dtype=np.uint8).reshape(16, 16)) == pytest.approx(8.0)


def test_contrast_of_black_and_white():
    """Half black, half white is 1."""
    assert contrast(np.array([[0, 255]], np.uint8)) == pytest.approx(1.0)


def test_colourfulness_equals_the_paper():
    """Against the formula of Hasler and Suesstrunk, written out in floats; every eighth row counts."""
    pixels = np.random.default_rng(1).integers(0, 256, (10, 50, 3), dtype=np.uint8).repeat(8, axis=0)
    r, g, b = np.moveaxis(pixels.astype(float), 2, 0)
    rg, yb = r - g, (r + g) / 2 - b
    expected = math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())
    assert colour(pixels).colourfulness == pytest.approx(expected)


def test_noise_is_measured_in_levels():
    """Known noise on an even picture comes back as its standard deviation."""
    rng = np.random.default_rng(2)
    for deviation in (2, 5, 10, 20):
        grey = np.clip(np.rint(128 + rng.normal(0, deviation, (200, 256))), 0, 255).astype(np.uint8)
        assert noise(grey) == pytest.approx(deviation, rel=0.08)


def test_borders_of_a_known_frame():
    """The share is exact for frames of any colour, on any side."""
    content = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    framed = np.full((100, 100, 3), (250, 250, 245), np.uint8)
    framed[30:90, 10:90] = content
    assert borders(framed) == pytest.approx((1 - 60 * 80 / 100**2, 0.4, 0.2))
    assert borders(content) == (0, 0, 0)
    barred = np.vstack([np.zeros((20, 80, 3), np.uint8), content])
    assert borders(barred) == pytest.approx((20 / 80, 20 / 80, 0))
    assert borders(barred.swapaxes(0, 1)) == pytest.approx((20 / 80, 0, 20 / 80))


def test_two_stripes_are_nothing_but_frame():
    """Where the frames of both ends meet, nothing is left."""
    stripes = np.zeros((10, 12, 3), np.uint8)
    stripes[5:] = 255
    assert borders(stripes) == (1, 1, 1)
    assert borders(stripes.swapaxes(0, 1)) == (1, 1, 1)


def test_a_slow_gradient_is_no_frame():
    """A sky that changes from row to row stops being like its first row."""
    ramp = np.repeat(np.repeat(np.arange(0, 200, dtype=np.uint8)[:, None, None], 150, 1), 3, 2)
    assert borders(ramp).share < 0.1


def test_photos_are_ordinary(damaged):
    """Undamaged photographs lie where the docstrings say."""
    for steps in damaged.values():
        grey = luma(steps[0])
        assert 0.25 < sharpness(grey) < 0.7
        assert 6 < entropy(grey) < 8
        assert 0.2 < contrast(grey) < 0.7
        assert noise(grey) < 6
        assert colour(steps[0]).colourfulness > 15
        assert not colour(steps[0]).grey
        assert 0.02 < edge_density(grey) < 0.6


def test_blur_lowers_sharpness_step_by_step(damaged):
    """Four severities of blur, each lower than the one before, on every photograph."""
    for scores in scored(damaged, "blur", lambda p: sharpness(luma(p))):
        assert falls(scores)
        assert scores[0] > 0.25
        assert scores[2] < 0.2


def test_noise_does_not_pass_for_sharpness(damaged):
    """Grain leaves sharpness about where it was, and a blurred grainy picture stays below a clean one."""
    for scores in scored(damaged, "grain", lambda p: sharpness(luma(p))):
        assert max(scores) < scores[0] + 0.12
    rng = np.random.default_rng(4)
    for steps in (steps for (_, kind), steps in damaged.items() if kind == "blur"):
        grainy = np.clip(steps[3] + rng.normal(0, 6, steps[3].shape), 0, 255).astype(np.uint8)
        assert sharpness(luma(grainy)) < sharpness(luma(steps[0]))


def test_sharpness_does_not_depend_on_contrast_or_size(photos, damaged):
    """Halving the contrast, or the size of the file's picture, leaves sharpness about the same."""
    for scores in scored(damaged, "flat", lambda p: sharpness(luma(p))):
        assert scores[1] == pytest.approx(scores[0], abs=0.08)
    for photo in photos.values():
        smaller = View(photo.shape[1] * 3 // 4, fit="long", filter="bicubic")
        other = cut(np.ascontiguousarray(photo), [smaller])[smaller]
        assert sharpness(luma(view(other))) == pytest.approx(sharpness(luma(view(photo))), abs=0.1)


@pytest.mark.parametrize(
    ("damage", "score", "direction"),
    [
        ("grain", lambda p: noise(luma(p)), rises),
        ("dark", lambda p: exposure(luma(p)).dark, grows),
        ("dark", lambda p: exposure(luma(p)).mean, falls),
        ("dark", lambda p: exposure(luma(p)).white_point, falls),
        ("dark", lambda p: entropy(luma(p)), falls),
        ("bright", lambda p: exposure(luma(p)).bright, grows),
        ("bright", lambda p: exposure(luma(p)).mean, rises),
        ("bright", lambda p: exposure(luma(p)).black_point, rises),
        ("flat", lambda p: contrast(luma(p)), falls),
        ("blur", lambda p: edge_density(luma(p)), vanishes),
        ("flat", lambda p: entropy(luma(p)), falls),
        ("faded", lambda p: colour(p).colourfulness, falls),
        ("boxed", lambda p: borders(p).share, rises),
    ],
)
def test_damage_moves_its_score_step_by_step(damaged, damage, score, direction):
    """Each damage moves the score that is meant to find it, at every severity, on every photograph."""
    series = scored(damaged, damage, score)
    assert len(series) == 5
    for scores in series:
        assert direction(scores), scores


def test_letterbox_is_measured(damaged):
    """A quarter of black bars is found as a quarter, to within a row that the view blends."""
    for scores in scored(damaged, "boxed", lambda p: borders(p).share):
        assert scores[2] == pytest.approx(0.25, abs=0.02)
        assert scores[0] < 0.05
