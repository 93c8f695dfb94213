"""How values lie: every count that the page shows is the one that counting gives."""

from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.report.pages import curated

from nemo_curator.report.axes import Axis, Threshold
from nemo_curator.report.gather import gather
from nemo_curator.report.spreads import SHARES, Most, Values, ends, kept_only, nearest, spread_of
from nemo_curator.testing import encoded, photo

AXIS = Axis("a", "a", thresholds=(Threshold("low", "<", 0.25),))
NUMBERS = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6),
        st.integers(-5, 5).map(float),
        st.sampled_from([0.25, 0.0, np.inf, -np.inf, np.nan, 1.7e308, -1.7e308]),
    ),
    min_size=1,
    max_size=200,
)


def values_of(numbers, missing=0):
    """Values of images in source order, of which every second one is kept."""
    found = np.array(numbers, np.float64)
    return Values(found, np.arange(len(found)), np.arange(len(found)) % 2 == 0, missing, missing)


@cache
def database():
    """One database for all examples; opening one takes longer than asking it."""
    return duckdb.connect()


def counted(numbers, points):
    """Of each point how many values are below it and not above it, by DuckDB, for which NaN is the largest number."""
    values, asked = (pa.array(np.array(one, np.float64), pa.float64(), from_pandas=False) for one in (numbers, points))
    connection = database()
    connection.from_arrow(pa.table({"a": values})).create_view("t")
    connection.from_arrow(pa.table({"p": asked})).create_view("points")
    return connection.execute(
        "SELECT count(*) FILTER (a < p), count(*) FILTER (a <= p) FROM points, t GROUP BY p ORDER BY p"
    ).fetchall()


@settings(max_examples=40)
@given(numbers=NUMBERS, most=st.sampled_from([40, 400]))
def test_counts_are_duckdbs_at_every_point(numbers, most):
    """Smaller, and not larger, of all and of kept images; equal values, infinities and NaN as a rule takes them."""
    spread = spread_of(AXIS, values_of(numbers), Most(most, 1_000))
    kept = [one for at, one in enumerate(numbers) if at % 2 == 0]
    for some, counts in ((numbers, spread.counts), (kept, spread.kept_counts)):
        assert list(zip(counts.below, counts.upto, strict=True)) == counted(some, spread.points)


@given(numbers=NUMBERS)
def test_bars_and_what_lies_outside_are_all_there_is(numbers):
    """No image is in two bars, and none is lost."""
    spread = spread_of(AXIS, values_of(numbers), Most(100, 1_000))
    if spread.edges:
        assert sum(spread.bars) + sum(spread.outside) == len(numbers)
        assert len(spread.bars) == len(spread.edges) - 1
        assert all(kept <= both for kept, both in zip(spread.bars_kept, spread.bars, strict=True))
        assert list(spread.edges) == sorted(spread.edges)


def test_many_values_are_told_at_the_stops_of_the_slider():
    """Where not every value is told, every stop is a point, and so are the recipe's threshold and both ends."""
    numbers = np.random.default_rng(0).normal(size=5_000)
    spread = spread_of(AXIS, values_of(numbers), Most(100, 1_000))
    assert not spread.every
    assert spread.points == spread.stops
    assert 0.25 in spread.stops
    assert spread.stops[0] <= numbers.min()
    assert spread.stops[-1] >= numbers.max()
    assert len(spread.stops) < 110
    few = spread_of(AXIS, values_of([3.0, 1.0, 1.0]), Most(100, 1_000))
    assert (few.every, few.points, few.counts.below, few.counts.upto) == (True, (1.0, 3.0), (0, 2), (2, 3))


def test_far_values_do_not_stretch_the_chart():
    """They are counted as outside of it."""
    spread = spread_of(AXIS, values_of([*np.linspace(0, 1, 3_000), 1e9]), Most(100, 1_000))
    assert spread.edges[-1] < 2
    assert spread.outside[1] >= 1


def test_quantiles_are_values_that_images_have(tmp_path):
    """As `quantile` in a rule gives them."""
    folder = tmp_path / "in"
    folder.mkdir()
    for at in range(33):
        (folder / f"{at:02}.png").write_bytes(encoded(photo(at, 20 + 7 * at, 16), "PNG"))
    run = curated(folder, tmp_path / "out", rules={})
    (width,) = [one for one in gather(run).spreads if one.axis.name == "width"]
    shares = ", ".join(map(str, SHARES))
    query = f"SELECT quantile_disc(width, [{shares}]) FROM '{run.root}/parts/*.parquet'"  # noqa: S608
    assert list(width.quantiles) == duckdb.sql(query).fetchall()[0][0]


def test_quantiles_are_of_the_values_that_are_numbers():
    """NaN, which an expression may give, is counted and is no quantile; where there is nothing else there is none."""
    spread = spread_of(AXIS, values_of([np.nan, 1.0, 2.0, 3.0, np.nan]), Most(100, 1_000))
    assert (spread.count, spread.quantiles[0], spread.quantiles[-1]) == (5, 1.0, 3.0)
    assert spread_of(AXIS, values_of([np.nan] * 3), Most(100, 1_000)).quantiles == ()


@pytest.mark.parametrize("numbers", [[-1.7e308, 1.0, 1.7e308], [np.inf, np.inf], [1.7e308] * 2, [1e-300, 1.0, 1e299]])
def test_every_axis_has_numbers_to_stop_at(numbers):
    """However far its values reach, the slider has few finite stops and the chart finite edges: JSON knows no other."""
    axis = Axis("a", "a")
    spread = spread_of(axis, values_of(numbers), Most(100, 1_000))
    assert 0 < len(spread.stops) <= 105
    assert np.isfinite([*spread.stops, *spread.edges]).all()


def test_marks_stand_between_minimum_and_maximum():
    """0 to 100, and nothing where there is no width to divide by."""
    assert spread_of(AXIS, values_of(range(101)), Most(100, 1_000)).marks == (5.0, 50.0, 95.0)
    assert spread_of(AXIS, values_of([3.0] * 5), Most(100, 1_000)).marks == ()
    assert spread_of(AXIS, values_of([], 9), Most(100, 1_000)).marks == ()
    assert spread_of(AXIS, values_of([0.0, 1.0, np.inf]), Most(100, 1_000)).marks == ()


def test_the_nearest_and_the_outermost_come_first():
    """Ties in source order; of kept images alone where those are asked for."""
    values = values_of([5.0, 1.0, 3.0, 3.0, 9.0, 3.0])
    assert nearest(values, 3.0, 2) == ([1], [2, 3])
    assert nearest(values, 3.5, 2) == ([2, 3], [0, 4])
    assert ends(values, 3) == ([1, 2, 3], [4, 0, 2])
    assert ends(kept_only(values), 2) == ([2, 0], [4, 0])


@pytest.mark.parametrize("whole", [True, False])
def test_whole_numbers_have_a_bar_each(whole):
    """As long as there are few of them."""
    spread = spread_of(AXIS, values_of([0, 1, 1, 4.0 if whole else 4.5]), Most(100, 1_000))
    assert spread.whole is whole
    assert (spread.bars[:2] == (1, 2)) is whole
