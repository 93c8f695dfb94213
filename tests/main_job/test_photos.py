"""The main job on 1,000 real photos."""

from __future__ import annotations

import pytest
from tests.main_job.material import curated, decisions, delivered_members, delivered_rows, hashes, source_members

RECIPE = """\
scores: [header, entropy]
rules:
  small: least(width, height) < 200
  plain: entropy < quantile(entropy, 0.1)
export: {shard_size: 300}
"""


@pytest.fixture(scope="module")
def output(photos, tmp_path_factory):
    """The photos, curated with two workers."""
    place = tmp_path_factory.mktemp("photos") / "out"
    curated(photos, place, RECIPE, workers=2)
    return place


def test_verdicts_add_up_by_id(output):
    """1,000 inputs: kept, rejected, duplicates and quarantined are disjoint and all of them."""
    rows = decisions(output)
    assert len({row["image_id"] for row in rows}) == len(rows) == 1000
    rejected = [row for row in rows if row["verdict"] == "reject"]
    assert {row["rule"] for row in rejected} <= {"small", "plain"}
    assert 90 <= len(rejected) <= 300
    assert {row["verdict"] for row in rows} <= {"keep", "reject", "duplicate"}


def test_members_are_byte_identical_and_in_order(photos, output):
    """Every kept photo leaves with its own bytes, its caption and its label, in the order of the source."""
    sources, delivered, rows = source_members(photos), delivered_members(output), delivered_rows(output)
    expected = {}
    for row in rows:
        stem = f"{row['source']}", row["original_key"]
        for extension in ("jpg", "txt", "json"):
            expected[f"{row['shard']}#{row['key']}.{extension}"] = sources[stem[0], f"{stem[1]}.{extension}"]
    assert delivered == expected
    kept = [row["image_id"] for row in decisions(output) if row["verdict"] == "keep"]
    in_tars = [f"{source.removesuffix('.tar')}/{name[:-4]}" for source, name in sources if name.endswith(".jpg")]
    assert [row["image_id"] for row in rows] == kept == [one for one in in_tars if one in set(kept)]


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.soak)])
def test_again_with_any_number_of_workers(photos, output, tmp_path, workers):
    """A second run, with 1 or 4 workers instead of 2, writes the same bytes."""
    curated(photos, tmp_path / "out", RECIPE, workers=workers)
    assert hashes(tmp_path / "out") == hashes(output)
