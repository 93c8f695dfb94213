"""A row's bits depend on its picture alone: not on its batch, its place in it, or the number of threads."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.formula import pictures
from tests.models.numerics_here import AGREEMENT, EVERY, or_skip
from tests.models.random_towers import TRUE_SHAPES, random_weights
from tests.models.test_towers import cosines
from tests.models.tiny_towers import TOWERS

from nemo_curator.models.layouts.choosing import layout_of
from nemo_curator.models.numerics import Numerics
from nemo_curator.models.published_tower import read_weights
from nemo_curator.models.tower_model import open_vision
from nemo_curator.models.towers.tensors import Tensors

COUNT = 23  # more than two batches of OpenVINO's


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Every tiny tower in a folder of its own."""
    made = tmp_path_factory.mktemp("towers")
    for name, tiny in TOWERS.items():
        tiny.write(made / name)
    return made


@lru_cache(maxsize=len(EVERY) * 4)
def session(folder, name, numerics, threads):
    """A tiny tower, loaded once for all tests."""
    path = folder / name / TOWERS[name].weights
    found = layout_of(path).describe(path.parent)
    weights = found.arrange(Tensors(read_weights(path, found.prefixes), str(path)))
    return open_vision(weights, numerics, threads, str(path))


def same_alone_and_everywhere(run, batch):
    """Rows of a batch, each equal to what it is alone, in another batch and at another place."""
    rows = run(batch)
    places = (0, len(batch) // 2, len(batch) - 1)
    np.testing.assert_array_equal(np.concatenate([run(batch[place : place + 1]) for place in places]), rows[[*places]])
    np.testing.assert_array_equal(run(batch[::-1])[::-1], rows)
    np.testing.assert_array_equal(run(batch[3:-2]), rows[3:-2])
    return rows


@pytest.mark.parametrize("numerics", EVERY, ids=str)
@pytest.mark.parametrize("name", TOWERS)
def test_a_row_is_its_pictures_alone(folder, name, numerics):
    """In each layout, runtime and precision a row has the same bits in any batch and place, with 1 and 2 threads."""
    or_skip(numerics)
    batch = pictures(COUNT, TOWERS[name].side)
    one, two = (
        same_alone_and_everywhere(
            lambda some, t=threads: session(folder, name, numerics, t).run(some, "embedding"), batch
        )
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("numerics", EVERY, ids=str)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=25))
def test_any_choice_of_pictures_gives_the_rows_of_these(folder, numerics, order):
    """Whatever pictures are put together, with repetitions, their rows are those that each has alone."""
    run = session(folder, "siglip", or_skip(numerics), 1).run
    batch = pictures(COUNT, TOWERS["siglip"].side)
    np.testing.assert_array_equal(run(batch[order], "embedding"), run(batch, "embedding")[order])


@pytest.mark.soak
@pytest.mark.parametrize("numerics", EVERY, ids=str)
@pytest.mark.parametrize("name", TRUE_SHAPES)
def test_a_row_of_a_tower_of_true_width_is_its_pictures_alone(name, numerics):
    """The same for the widths, heads and numbers of tokens of registered towers, which other kernels compute."""
    or_skip(numerics)
    shape = TRUE_SHAPES[name]
    batch = pictures(13, shape.side)
    full = open_vision(random_weights(shape), Numerics("onnxruntime"), 2, name).run(batch[:2], "embedding")
    rows = []
    for threads in (1, 2):
        loaded = open_vision(random_weights(shape), numerics, threads, name)
        rows.append(same_alone_and_everywhere(lambda some, one=loaded: one.run(some, "embedding"), batch))
    np.testing.assert_array_equal(*rows)
    assert (cosines(rows[0][:2], full) >= AGREEMENT[numerics.precision]).all()
