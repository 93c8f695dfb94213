"""The page of fetched lists is that of the code."""

import re
from pathlib import Path

import pytest

from nemo_curator.fetching import STATUSES
from nemo_curator.fetching.list_columns import CAPTION_NAMES
from nemo_curator.fetching.shard_files import STATUS_COLUMNS
from nemo_curator.shards.url_tables import URL_NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "fetch.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("status", STATUSES.values(), ids=lambda one: one.word)
def test_every_status_is_documented_as_the_code_has_it(status):
    """Each status has a row with the meaning of the code, and when it is tried again."""
    again = ", ".join(word for word, yes in (("at once", status.at_once), ("later", status.later)) if yes)
    assert f"| `{status.word}` | {status.meaning} | {again} |" in PAGE


def test_no_other_status_is_documented():
    """The table has the statuses of the code, in their order."""
    table = PAGE.split("## Statuses")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(STATUSES)


def test_every_column_of_the_status_table_is_documented():
    """The table has the columns of the file, in their order and with their types."""
    table = PAGE.split("## The status table")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \| (\w+) \|", table, re.MULTILINE)
    assert found == [(field.name, str(field.type)) for field in STATUS_COLUMNS]


def test_the_names_of_columns_that_are_guessed_are_documented():
    """What is taken for a column of URLs or captions is said, in the order in which it is looked for."""
    section = PAGE.split("## The list")[1].split("\n## ")[0]
    for names in (URL_NAMES, CAPTION_NAMES):
        assert ", ".join(f"`{name}`" for name in names) in " ".join(section.split())
