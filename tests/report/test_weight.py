"""A page stays under 15 MB whatever a run holds: many scores, long texts, heavy pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.report.browsing import Opened, chromium
from tests.report.pages import Parsed, curated, report_of

from nemo_curator.pipeline.decide import decide_run
from nemo_curator.report import page as pages
from nemo_curator.report.figure import Figure
from nemo_curator.report.gather import gather
from nemo_curator.report.page import write_report
from nemo_curator.report.thumbnails import LEFT_OUT
from nemo_curator.report.weight import briefer, lighter
from nemo_curator.runs.partitions import read_partition_ids
from nemo_curator.runs.parts import write_part_table
from nemo_curator.testing import encoded

ROWS, NUMBERS, TEXTS, HOSTILE = 2_400, 120, 40, "<&>\u20ac" * 30


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A run of 2,400 images of noise with 120 scores that are numbers, and 40 that are texts as heavy as texts get."""
    folder = tmp_path_factory.mktemp("crowded") / "in"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (260, 260, 3), np.uint8)
    (folder / "noise.png").write_bytes(encoded(noise, "PNG"))
    run = curated(folder, folder.parent / "out", rules={"small": "width < 64"})
    (partition_id,) = read_partition_ids(run)
    part = pq.read_table(run.part(partition_id))
    many = pa.concat_tables([part] * ROWS).replace_schema_metadata(None)
    ids = pa.array([HOSTILE + f"{at:05}" for at in range(ROWS)])
    many = many.set_column(many.column_names.index("image_id"), "image_id", ids)
    many = many.set_column(many.column_names.index("ordinal"), "ordinal", pa.array(range(ROWS), many["ordinal"].type))
    many = many.set_column(many.column_names.index("caption"), "caption", pa.array([HOSTILE * 5] * ROWS))
    random = np.random.default_rng(1)
    steps = np.round(random.random(900), 17)  # as many different values as are all told, each of many digits
    for at in range(NUMBERS):
        many = many.append_column(f"s_{at:03}", pa.array(random.choice(steps, ROWS)))
    for at in range(TEXTS):
        many = many.append_column(f"text_{at:02}", pa.array([HOSTILE] * ROWS))
    write_part_table(run, partition_id, many, {})
    decide_run(run)
    return run, write_report(run)


def test_a_page_of_many_scores_stays_under_15_megabytes(crowded):
    """With more columns than there is room for, values of many digits, and the heaviest texts and pictures."""
    run, length = crowded
    page = Parsed(Path(run.report).read_text(encoding="utf-8"))
    assert length < 15_000_000
    assert len(page.data["axes"]) == 100
    assert "27 further columns of numbers are not shown here" in page.text
    pictures = [bool(one.get("picture")) for one in page.data["figures"].values()]
    assert sum(pictures) > 100
    assert any(one.get("missing") == LEFT_OUT for one in page.data["figures"].values())


def test_its_script_can_read_it(crowded):
    """The page opens without a complaint, and counts exactly where every value is told and where not."""
    with chromium() as browser:
        found = Opened(browser, crowded[0].report)
        assert found.page.locator("#images .open").count() > 0
        found.page.select_option("#explore-score", label="s_000")
        found.close()
    assert (found.said, found.asked) == ([], [])


def test_the_least_important_pictures_go_first(pile, tmp_path):
    """As many as it takes and no more; what stays of them says why there is no picture."""
    page = gather(curated(pile, tmp_path / "out"))
    order = list(page.figures)
    last = page.figures[order[-1]].picture
    found = lighter(page, len(last))
    assert [bool(found.figures[one].picture) for one in order] == [True] * (len(order) - 2) + [False] * 2
    assert found.figures[order[-1]].missing == LEFT_OUT
    assert lighter(page, 1).figures[order[-2]].picture
    assert not any(one.picture for one in lighter(page, 10**9).figures.values())


def test_a_page_that_is_too_heavy_is_written_without_some_pictures(pile, tmp_path, monkeypatch):
    """It keeps within its bound, and loses nothing else."""
    run = curated(pile, tmp_path / "out")
    whole = write_report(run)
    monkeypatch.setattr(pages, "MOST_PAGE", whole - 1)
    assert write_report(run) < whole
    page = report_of(run)
    assert [one["missing"] for one in page.data["figures"].values() if "missing" in one] == [LEFT_OUT]
    assert len(page.data["figures"]) == 8


def test_texts_share_their_room():
    """Each image gives up its last ones, and says how many."""
    scores = (("a", "x" * 80), ("b", "<" * 80), ("c", "z"))
    figure = Figure("id", "", "", "", "", "", (0, 0), "", scores=scores)
    figures = {at: replace(figure, image_id=str(at)) for at in range(2)}
    assert briefer(figures) == figures
    for one in briefer(figures, 400).values():
        assert one.scores == (scores[0], ("2 more", LEFT_OUT))
