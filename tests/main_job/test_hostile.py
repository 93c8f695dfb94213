"""The main job on files that are made to break it, and on unusual ones that are all right."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
from tests.main_job.material import (
    curated,
    decisions,
    delivered_members,
    delivered_rows,
    hashes,
    make_hostile,
    source_members,
)

RECIPE = "scores: [header, sharpness]\nrules: {small: 'least(width, height) < 2'}\n"


@pytest.fixture(scope="module")
def ended(hostile, tmp_path_factory):
    """The output of a run over the hostile files."""
    output = tmp_path_factory.mktemp("hostile") / "out"
    summary = curated(hostile, output, RECIPE, workers=2)
    return output, summary


def test_every_hostile_file_is_accounted_for(hostile, ended):
    """The run ends, and every file below the input has a verdict or is listed as ignored."""
    output, summary = ended
    files = {name for name, _ in source_members(hostile)}
    rows = decisions(output)
    assert {row["image_id"] for row in rows} | set(summary["ignored"]) == files
    assert len(rows) + len(summary["ignored"]) == len(files)
    assert summary["kept"] + summary["rejected"] + summary["duplicates"] + summary["quarantined"] == len(rows)
    assert summary["quarantined"] > 100
    assert all(row["reason"] for row in rows if row["verdict"] == "quarantine")


def test_hostile_files_end_the_same_way_elsewhere(hostile, ended, tmp_path):
    """At another place, with another number of workers, every verdict, message and byte is the same."""
    moved = tmp_path / "moved"
    shutil.copytree(hostile, moved)
    curated(moved, tmp_path / "out", RECIPE, workers=3)
    assert hashes(tmp_path / "out") == hashes(ended[0])


def test_odd_files_are_kept_whole(odd, tmp_path):
    """Unusual images are read, and leave with their bytes; files that are no image are named."""
    summary = curated(odd, tmp_path / "out", RECIPE)
    sources = source_members(odd)
    rows = delivered_rows(tmp_path / "out")
    assert summary["inputs"] + len(summary["ignored"]) == len({source for source, _ in sources})
    assert summary["kept"] > 0.8 * summary["inputs"]
    delivered = delivered_members(tmp_path / "out")
    for row in rows:
        for member, name in zip(row["members"], row["files"], strict=True):
            assert delivered[f"{row['shard']}#{name}"] == sources[member["name"], member["name"]]


def test_made_hostile_files_end_a_run_well(tmp_path):
    """Headers of four billion pixels, endless JSON, half characters and wild names cost their own record and no run."""
    make_hostile(tmp_path / "in")
    summary = curated(tmp_path / "in", tmp_path / "out", RECIPE, workers=1)
    rows = decisions(tmp_path / "out")
    verdicts = {row["image_id"]: row["verdict"] for row in rows}
    assert Counter(verdicts.values()) == {"keep": 11, "quarantine": 9}
    assert summary["inputs"] == 20 == len(verdicts)
    assert all(verdicts[name] == "keep" for name in ("caption.jpg", "deep.jpg", "zero.jpg"))
    assert {name for name in verdicts if name.startswith(("huge.", "negative.", "nothing."))} <= {
        name for name, verdict in verdicts.items() if verdict == "quarantine"
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
