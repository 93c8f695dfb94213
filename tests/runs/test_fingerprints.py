"""Fingerprints of columns, and what is said where two differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.runs.fingerprints import changes, fingerprint, only_environment

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text("ab.:é", max_size=3)
FACTS = st.recursive(
    st.dictionaries(st.text("ab.", min_size=1, max_size=2), SCALARS | st.lists(SCALARS, max_size=2), max_size=3),
    lambda inner: st.dictionaries(st.text("ab.", min_size=1, max_size=2), inner | SCALARS, max_size=3),
    max_leaves=6,
)


def test_same_in_every_version():
    """The fingerprint of some facts is written down here: a change of it would call every stored score stale."""
    facts = {"stage": "a:B", "parameters": {"size": 3, "name": "é", "share": 0.5, "none": None, "both": [True, False]}}
    assert fingerprint(facts) == "a01e4e0dc889d575"


def test_order_of_keys_does_not_count():
    """Facts that were gathered in another order are the same facts."""
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint({"b": {"d": 3, "c": 2}, "a": 1})


def test_odd_values():
    """NaN, infinity and half of a UTF-16 pair have a fingerprint, the same one every time."""
    facts = {"a": float("nan"), "b": float("inf"), "c": "\ud800"}
    assert fingerprint(facts) == fingerprint(dict(facts))
    assert changes(facts, dict(facts)) == []


@given(FACTS, FACTS)
def test_changes_are_named_wherever_fingerprints_differ(old, new):
    """Two facts have different fingerprints if, and only if, there is a change to name."""
    assert bool(changes(old, new)) == (fingerprint(old) != fingerprint(new))


def test_changes_are_sentences():
    """A change names the fact, what it was and what it is; long values are cut, numbers have separators."""
    old = {"parameters": {"edge": 64, "mode": "fast"}, "model": {"weights": "a" * 64}, "gone": True}
    new = {"parameters": {"edge": 100_000, "mode": None}, "model": {"weights": "b" * 64}, "came": 0.25}
    assert changes(old, new) == [
        "came: none → 0.25",
        "gone: True → none",
        "model.weights: aaaaaaaaaaaa… → bbbbbbbbbbbb…",
        "parameters.edge: 64 → 100,000",
        "parameters.mode: fast → none",
    ]


@pytest.mark.parametrize(
    ("old", "new", "only"),
    [
        ({"libraries": {"numpy": "1"}}, {"libraries": {"numpy": "2"}}, True),
        ({"decode": {"version": 1, "libraries": {"pillow": "1"}}}, {"decode": {"version": 1, "libraries": {}}}, True),
        (
            {"decode": {"version": 1, "libraries": {"a": "1"}}},
            {"decode": {"version": 2, "libraries": {"a": "2"}}},
            False,
        ),
        ({"parameters": {"libraries": 1}}, {"parameters": {"libraries": 2}}, False),
        ({"parameters": {}}, {"parameters": {"new": None}}, False),
        ({"parameters": {"size": 1}}, {"parameters": {"size": 1.0}}, False),
        ({"x": 1}, {"x": 1}, True),
    ],
    ids=["library", "library-of-decoding", "decoding", "parameter-of-that-name", "parameter-that-came", "type", "none"],
)
def test_only_the_environment(old, new, only):
    """Versions of libraries are told from what a recipe or our own code asks for."""
    assert only_environment(old, new) is only
