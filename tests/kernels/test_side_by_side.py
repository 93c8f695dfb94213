"""Iterators side by side: one order, few items ahead, errors where they belong, no thread left behind."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from nemo_curator.kernels.side_by_side import one_after_another


def numbers(start, count):
    """Some numbers in a row."""
    yield from range(start, start + count)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("makers", [0, 1, 7])
def test_order_does_not_depend_on_threads(threads, makers):
    """All items come, the first iterator's first, with any number of threads."""
    some = [partial(numbers, 100 * at, at % 4 * 5) for at in range(makers)]
    assert list(one_after_another(some, threads)) == [
        100 * at + one for at in range(makers) for one in range(at % 4 * 5)
    ]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_where_its_item_would(threads):
    """What was made before the error is read before it is raised."""

    def fails():
        yield 1
        raise ValueError("no more")

    items = one_after_another([partial(numbers, 0, 1), fails, partial(numbers, 5, 3)], threads)
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(ValueError, match="no more"):
        next(items)


def test_items_ahead_of_the_reader_are_few():
    """An iterator that nobody reads yet waits, however many items it has; and ends when the reader goes away."""
    made = []
    two = threading.Event()

    def endless():
        for at in range(10**9):
            made.append(at)
            if at == 2:
                two.set()
            yield at

    reader = one_after_another([partial(numbers, 0, 3), endless], 2)
    assert next(reader) == 0
    assert two.wait(30)
    reader.close()  # returns once the threads are gone
    assert len(made) <= 4
