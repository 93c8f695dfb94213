"""Hypothesis strategies for damaged files."""

from __future__ import annotations

from functools import partial
from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from tests.codecs.mutations import EDITS, mutant, spliced
from tests.codecs.seeds import made_seeds

_NUMBERS = st.integers(0, 2**32 - 1)


def whole_files() -> SearchStrategy[bytes]:
    """Small files of every format."""
    return st.sampled_from(list(made_seeds().values()))


def edits() -> SearchStrategy[tuple[str, bytes, partial[Random]]]:
    """(name of an edit, any bytes to edit, a maker of chance that begins anew at each call)."""
    return st.tuples(st.sampled_from(list(EDITS)), whole_files() | st.binary(), _NUMBERS.map(partial(partial, Random)))


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A mutant of a number; or a file with stretches that Hypothesis chooses and can make smaller; or any bytes."""
    how = draw(st.sampled_from(("mutant", "patched", "spliced", "any")))
    if how == "mutant":
        return mutant(made_seeds(), draw(_NUMBERS)).data
    if how == "any":
        return draw(st.binary(max_size=200))
    data = draw(whole_files())
    if how == "spliced":
        return spliced(data, draw(whole_files()), Random(draw(_NUMBERS)))  # noqa: S311 (it must be the same every time)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(data), 600)))
        new = draw(st.binary(max_size=8))
        data = data[:at] + new + data[at + len(new) + draw(st.sampled_from((0, 0, 0, 1, 4))) :]
    return data
