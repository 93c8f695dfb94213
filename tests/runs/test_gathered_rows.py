from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from nemo_curator.runs import gathered_rows
from nemo_curator.runs.gathered_rows import GatheredRows

SCHEMA = pa.schema([("ordinal", pa.int32()), ("name", pa.string())])
ROWS: list[dict[str, Any]] = [{"ordinal": at, "name": None if at % 3 else f"n{at}"} for at in range(95)]


@pytest.fixture(autouse=True)
def small_packs(monkeypatch):
    """Packs of seven rows."""
    monkeypatch.setattr(gathered_rows, "_AT_ONCE", 7)


@pytest.mark.parametrize("size", [1, 5, 7, 100])
def test_rows_come_back_in_order(size):
    """Whatever the batches, and with each of them mixed: the same rows, in pieces that do not depend on the batches."""
    rows = GatheredRows(SCHEMA)
    for at in range(0, len(ROWS), size):
        batch = ROWS[at : at + size]
        random.Random(at).shuffle(batch)  # noqa: S311  an order, not a secret
        rows.add(batch)
    assert rows.count == len(ROWS)
    assert [table.num_rows for table in rows.tables()] == [7] * 13 + [4]
    assert rows.table().to_pylist() == ROWS
    assert rows.table().schema == SCHEMA


def test_batches_out_of_order():
    """They are put in order at the end."""
    rows = GatheredRows(SCHEMA)
    for at in (50, 0, 70, 20):
        rows.add(ROWS[at : at + 20])
    assert [row["ordinal"] for row in rows.table().to_pylist()] == [*range(40), *range(50, 90)]


def test_no_rows():
    """A partition without any is a table without any."""
    assert GatheredRows(SCHEMA).table().num_rows == 0
    rows = GatheredRows(SCHEMA)
    rows.add(ROWS[:7])
    assert [table.num_rows for table in rows.tables()] == [7]
