"""The page of Python names is that of the code."""

import importlib
import re

import pytest
from tools.python_page.tables import BASES, INNER, PAGE, renewed, stages

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_code():
    """Nothing was changed by hand or forgotten: run `python -m tools.python_page`."""
    assert renewed(TEXT) == TEXT


@pytest.mark.parametrize(("name", "kind"), stages().items())
def test_every_stage_is_on_the_page(name, kind):
    """Once, with the module that it can be imported from."""
    rows = [row for row in TEXT.split("\n") if row.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    room = rows[0].split("|")[2].strip(" `")
    assert getattr(importlib.import_module(f"nemo_curator.stages.{room}"), name) is kind


def test_no_base_is_named_that_is_gone():
    """What is told apart from the other stages is there."""
    assert set(BASES) <= set(stages())
    assert INNER.isdisjoint(stages())


@pytest.mark.parametrize("room", ["runs", "pipeline", "fetching", "backends.local", "tasks", "testing"])
def test_every_public_name_is_on_the_page(room):
    """What a room says it gives stands in the row of that room, and can be imported from there."""
    module = importlib.import_module(f"nemo_curator.{room}")
    row = re.search(rf"^\| `nemo_curator\.{re.escape(room)}` \|(.*)$", TEXT, re.MULTILINE)
    assert row is not None
    names = re.findall(r"`(\w+)`", row[1])
    assert set(module.__all__) <= set(names)
    assert all(hasattr(module, name) for name in names)


def test_a_page_without_a_place_for_a_table_is_refused():
    """A marker that was lost is told, not passed over."""
    with pytest.raises(ValueError, match="0 places for the table 'run'"):
        renewed(TEXT.replace("<!-- run -->", ""))
