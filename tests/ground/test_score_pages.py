"""Every score has a page of its own, whose made parts are those that the code and the measurements give."""

import re

import pytest
import yaml
from PIL import Image
from tools.score_pages import pages
from tools.score_pages.facts import GIVEN, classes, column_table, columns_of, facts
from tools.score_pages.measured import quantiles, summary, table

from nemo_curator.errors import CuratorError
from nemo_curator.stages.catalogue import make_score_stage

SCORES = classes()
MEASURED = [score for score, kind in SCORES.items() if columns_of(kind) and score not in pages.UNMEASURED]


def text_of(score):
    """The page of a score."""
    return pages.page(score).read_text(encoding="utf-8")


@pytest.mark.parametrize("score", SCORES)
def test_a_page_has_all_its_parts(score):
    """Each score's page says what it means, its scale, how it is distributed, shows it, and says where it fails."""
    text = text_of(score)
    assert text.startswith(f"# `{score}`\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [part for part in headings if part in pages.PARTS] == list(pages.PARTS)
    parts = pages.PARTS if score in MEASURED else ("What it means", "Scale", "When it fails", "Source")
    for part in parts:
        assert len(text.split(f"## {part}\n")[1].split("\n## ")[0].split()) >= 4, part


@pytest.mark.parametrize("score", SCORES)
def test_the_facts_are_those_of_the_code(score):
    """Columns, cost, needs, parameters and threshold on the page are the code's own."""
    block = pages.block_of(text_of(score), "facts")
    for row in column_table(columns_of(SCORES[score])):
        assert row in block
    try:
        stage = make_score_stage(score, GIVEN.get(score, {}))
    except CuratorError as error:
        pytest.skip(f"only the columns were compared, for its parts are not installed: {error}")
    assert block == facts(stage, stage.score_columns())


@pytest.mark.parametrize("score", MEASURED)
def test_the_quantiles_are_those_that_were_measured(score):
    """The table on the page shows the figures of `measured.json`, for every column and both sets of photos."""
    measured = pages.read_measured()[score]
    assert set(measured) == {"photos", "kodak"}
    for columns in measured.values():
        assert list(columns) == [column.name for column in columns_of(SCORES[score])]
    assert pages.block_of(text_of(score), "measured") == table(measured)


@pytest.mark.parametrize("score", MEASURED)
def test_four_pictures_show_the_score(score):
    """The page shows a strip of four pictures, described for those who do not see it."""
    described, place = re.search(r"!\[([^\]]+)\]\(([^)]+)\)", pages.block_of(text_of(score), "examples")).groups()
    assert described.startswith("Four pictures: ")
    assert described.count("; ") == 3
    with Image.open(pages.FOLDER / place) as strip:
        strip.load()
        assert strip.width > 3 * strip.height / 2


def test_the_index_lists_every_column():
    """The index has a row for each column of each score, and nothing else."""
    assert pages.block_of(text_of("index"), "columns") == pages.index_block()


def test_every_page_is_in_the_navigation():
    """Each score's page can be reached, and no page is of a score that there is not."""
    there = {path.stem for path in pages.FOLDER.glob("*.md")}
    assert there == {"index", *SCORES}
    navigation = (pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    assert all(f"reference/scores/{name}.md" in navigation for name in there)
    assert yaml.safe_load(navigation)


def test_quantiles_are_those_of_rules():
    """A quantile is the smallest value that at least the share does not exceed."""
    assert quantiles(range(1, 101)) == [1, 5, 25, 50, 75, 95, 100]
    assert quantiles([3.0]) == [3.0] * 7
    assert quantiles([]) == []


def test_every_kind_of_column_is_summed_up():
    """Numbers by quantiles, truths by their count, texts by the most frequent; what is missing is counted."""
    assert summary([0.5, None, 0.25])["missing"] == 1
    assert summary([True, False, True]) == {"images": 3, "missing": 0, "true": 2}
    assert summary(["a", "b", "a"])["frequent"] == [["a", 2]]
    assert summary([None, None]) == {"images": 2, "missing": 2}
