"""The main job on mutants: every one is one record, no neighbour is lost, no worker grows."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from tests.main_job.hostile_material import make_damaged, watching_workers
from tests.main_job.material import curated, decisions, delivered_members, part_rows, source_members

RECIPE = "scores: [header, sharpness]\nrules: {small: 'least(width, height) < 1'}\n"
MUTANTS, MANY = 300, 3000
MOST = 1_000_000_000  # bytes that one worker may take


def judge(source, output, damaged, good):
    """Curate, and fail unless every input has its one verdict and leaves with its bytes where it is kept."""
    summary = curated(source, output, RECIPE, workers=2)
    rows = decisions(output)
    verdicts = {row["image_id"]: row["verdict"] for row in rows}
    assert len(rows) == len(verdicts) == summary["inputs"]
    assert set(verdicts) == {*damaged, *good}
    assert summary["kept"] + summary["rejected"] + summary["duplicates"] + summary["quarantined"] == summary["inputs"]
    assert {verdicts[image_id] for image_id in good} == {"keep"}
    assert all(row["reason"] for row in rows if row["verdict"] == "quarantine")
    errors = Counter(row["error"] for row in part_rows(output) if row["error"])
    assert sum(errors.values()) == summary["quarantined"] > len(damaged) / 2
    delivered = sorted(delivered_members(output).values())
    kept = {image_id for image_id, verdict in verdicts.items() if verdict == "keep"}
    sources = {
        f"shard/{member.split('.')[0]}" if file == "shard.tar" else member: data
        for (file, member), data in source_members(source).items()
    }
    assert delivered == sorted(sources[image_id] for image_id in kept)
    return errors


def test_mutants_in_a_run_are_one_record_each(tmp_path):
    """Of 300 mutants and as many good pictures, loose and in a tar, each has one verdict; the good ones are kept."""
    damaged, good = make_damaged(tmp_path / "in", MUTANTS)
    errors = judge(tmp_path / "in", tmp_path / "out", damaged, good)
    assert set(errors) <= {"decode_failed", "not_an_image", "no_image", "over_limit", "worker_died"}


@pytest.mark.soak
def test_thousands_of_mutants_in_a_run_are_one_record_each(tmp_path):
    """The same of more, and of other ones."""
    damaged, good = make_damaged(tmp_path / "in", MANY, first=10**6)
    judge(tmp_path / "in", tmp_path / "out", damaged, good)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system keeps no high-water mark to read")
def test_no_worker_takes_a_gigabyte(hostile, tmp_path):
    """Over all hostile files, no worker process ever has more than 1 GB resident."""
    with watching_workers() as seen:
        summary = curated(hostile, tmp_path / "out", RECIPE, workers=2)
    assert summary["quarantined"] > 100
    assert len(seen.peaks) >= 2, "the workers were not seen"
    print({pid: f"{peak / 1e6:.0f} MB" for pid, peak in seen.peaks.items()})  # noqa: T201 (the figure, for reports)
    assert max(seen.peaks.values()) <= MOST
