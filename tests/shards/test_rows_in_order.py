"""Rows by their numbers: each is the right one, and what is asked for in order is read once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.shards.rows_in_order import RowsInOrder

COUNT = 2000


class Table:
    """A table that counts how often it is begun, and how many rows it gave."""

    def __init__(self, broken=()):
        self.begun = self.given = 0
        self.broken = set(broken)

    def read_from(self, number):
        """The rows from one on; a broken one raises an error."""
        self.begun += 1
        for row in range(number, COUNT):
            self.given += 1
            if row in self.broken:
                raise OSError("torn")
            yield row


@given(st.lists(st.integers(0, COUNT + 50), max_size=60))
def test_every_row_is_the_one_that_was_asked_for(numbers):
    """In any order, once or more often, and none behind the end."""
    rows = RowsInOrder(Table().read_from)
    assert [rows.row(number) for number in numbers] == [number if number < COUNT else None for number in numbers]


@pytest.mark.parametrize("step", [1, 2, 7, 100])
def test_rows_with_gaps_are_read_in_one_go(step):
    """The table is begun once, and no row is read twice: an export of every second row is no work without end."""
    table = Table()
    rows = RowsInOrder(table.read_from)
    assert [rows.row(number) for number in range(0, COUNT, step)] == list(range(0, COUNT, step))
    assert (table.begun, table.given <= COUNT) == (1, True)


def test_a_far_row_is_gone_to():
    """What lies between is not read."""
    table = Table()
    rows = RowsInOrder(table.read_from)
    assert [rows.row(number) for number in (0, 1500)] == [0, 1500]
    assert (table.begun, table.given) == (2, 2)


def test_after_an_error_reading_begins_anew():
    """The row after a torn one is not taken for the end of the table."""
    rows = RowsInOrder(Table(broken=[3]).read_from)
    assert [rows.row(number) for number in (0, 2)] == [0, 2]
    with pytest.raises(OSError, match="torn"):
        rows.row(3)
    assert rows.row(4) == 4


def test_a_torn_row_costs_no_other():
    """A row behind it is had, though what lies between cannot be read."""
    rows = RowsInOrder(Table(broken=[3]).read_from)
    assert [rows.row(number) for number in (0, 5, 6)] == [0, 5, 6]
