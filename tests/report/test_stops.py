"""Round numbers along a range."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.report.stops import is_wide, log_stops, round_stops

SIZES = st.floats(-1e9, 1e9, allow_nan=False)


@pytest.mark.parametrize(
    ("low", "high", "most", "whole", "stops"),
    [
        (0.0, 1.0, 13, False, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        (0.13, 0.31, 13, False, [0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.32]),
        (0, 3, 400, True, [0, 1, 2, 3]),
        (40, 1411, 8, True, [0, 500, 1000, 1500]),
        (7.5, 7.5, 100, False, [7.5]),
    ],
)
def test_steps_are_round(low, high, most, whole, stops):
    """1, 2 or 5 times a power of ten, without a digit too many."""
    assert round_stops(low, high, most, whole=whole) == stops


def test_logarithmic_stops_have_two_digits():
    """As many in each power of ten, whole ones where only these make sense."""
    assert log_stops(1.0, 20.0, 200, whole=True) == [*range(1, 11), *range(11, 21)]
    assert log_stops(0.00098, 0.0012, 300) == [0.00098, 0.00099, 0.001, 0.0011, 0.0012]


@given(low=SIZES, width=st.floats(1e-6, 1e9), most=st.integers(10, 400), whole=st.booleans())
def test_stops_reach_over_the_range(low, width, most, whole):
    """They ascend, are not too many, and leave no value of the range outside."""
    high = low + width
    stops = round_stops(low, high, most, whole=whole)
    assert stops == sorted(set(stops))
    assert len(stops) <= most + 1
    assert stops[0] <= low
    assert stops[-1] >= high


@given(low=st.floats(1e-9, 1e6), factor=st.floats(1.5, 1e9), most=st.integers(60, 400))
def test_logarithmic_stops_reach_over_the_range(low, factor, most):
    """The same of a logarithmic scale."""
    high = low * factor
    stops = log_stops(low, high, most)
    assert stops == sorted(set(stops))
    assert len(stops) <= most
    assert stops[0] <= low
    assert stops[-1] >= high


def test_stops_over_hundreds_of_powers_are_few():
    """Where one of each power of ten is too many, some powers have none."""
    stops = log_stops(1e-300, 1e299, 60)
    assert stops == sorted(set(stops))
    assert (len(stops) <= 60, stops[0] <= 1e-300, stops[-1] >= 1e299) == (True, True, True)


def test_what_spans_much_is_wide():
    """Only positive numbers have a logarithm."""
    assert is_wide(1.0, 100.0)
    assert not is_wide(0.0, 100.0)
    assert not is_wide(10.0, 100.0)
    assert math.isfinite(log_stops(5.0, 5.0, 100)[0])
