"""How far a run is, from its files alone."""

from __future__ import annotations

import json

import pytest
from tests.cli.processes import pictures

from nemo_curator import storage
from nemo_curator.errors import MissingRunError
from nemo_curator.runs.fingerprints import RECORDS
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import write_partitions
from nemo_curator.runs.parts import part_schema, write_part
from nemo_curator.runs.state import PlannedColumn, RunState
from nemo_curator.runs.status import run_status
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import partition
from nemo_curator.stages.declarations import Column

A = PlannedColumn("a", Column("a"), {"edge": 1})
PLAN = (PlannedColumn(RECORDS, None, {"version": 1}), A)


@pytest.fixture
def begun(tmp_path):
    """A run of three partitions of a file each, none of them scored: (run, ids)."""
    entries = list_inputs([str(pictures(tmp_path / "in"))]).entries
    partitions = partition(entries, files_per_partition=1)
    run = RunDirectory(str(tmp_path / "run"))
    state = RunState.new(run)
    state.plan(PLAN)
    state.facts |= {"notes": ["a note"], "ignored": [["x", "hidden"]]}
    state.write()
    write_partitions(run, partitions)
    return run, [one.id for one in partitions]


def fill(run, partition_id, *, edge=1):
    """Write a part of one record whose column was computed with that edge."""
    prints = {one.name: one.fingerprint for one in PLAN} | {"a": PlannedColumn("a", None, {"edge": edge}).fingerprint}
    row = {"ordinal": 0, "image_id": partition_id, "a": 1.0}
    write_part(run, partition_id, [row], part_schema([A.column]), prints)


def test_step_by_step(begun):
    """Parts are counted as they come, and of each column the partitions that have it as recorded now."""
    run, ids = begun
    assert (run_status(run).scored, run_status(run).columns) == (0, {RECORDS: 0, "a": 0})
    fill(run, ids[0])
    fill(run, ids[1], edge=2)
    found = run_status(run)
    assert (found.partitions, found.scored, found.records) == (3, 2, 2)
    assert found.columns == {RECORDS: 2, "a": 1}
    assert (found.notes, found.ignored, found.bytes > 0, found.at_work) == (("a note",), 1, True, False)
    assert (found.funnel, found.decided, found.exports) == (None, False, ())


def test_torn_parts_are_named(begun):
    """A part that is torn, empty or something else is damaged, not scored."""
    run, ids = begun
    for one in ids:
        fill(run, one)
    for one, data in zip(ids, (b"", b"PAR1PAR1", None), strict=True):
        if data is not None:
            with storage.write_atomic(run.part(one)) as file:
                file.write(data)
    found = run_status(run)
    assert (found.scored, found.damaged) == (1, (run.part(ids[0]), run.part(ids[1])))


def test_parts_of_nobody_do_not_count(begun):
    """A part that no partition of the list has is not counted."""
    run, _ = begun
    fill(run, "0123456789abcdef")
    assert (run_status(run).scored, run_status(run).records) == (0, 0)


def test_run_at_work(begun):
    """A run in which somebody is at work may be asked, and says so."""
    run, _ = begun
    with storage.locked(run.root):
        assert run_status(run).at_work


def test_decided_only_with_decisions(begun):
    """A funnel without its decisions is no decision."""
    run, _ = begun
    state = RunState.require(run)
    state.decided({"inputs": 0, "kept": 0}, "d")
    state.write()
    assert not run_status(run).decided
    with storage.write_atomic(run.decisions) as file:
        file.write(b"x")
    assert run_status(run).decided


def test_exports(begun, tmp_path):
    """An export is interrupted, complete or gone, by what the manifest in its place says."""
    run, _ = begun
    state = RunState.require(run)
    for name in ("begun", "gone", "other"):
        state.exporting(str(tmp_path / name))
    state.exported(str(tmp_path / "gone"), "1")
    state.exported(str(tmp_path / "other"), "1")
    state.write()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text(json.dumps({"export": "2"}))
    assert [(one.state, bool(one.finished)) for one in run_status(run).exports] == [
        ("interrupted", False), ("gone", True), ("gone", True)
    ]  # fmt: skip


def test_no_run(tmp_path):
    """A place without a run is said to be one."""
    with pytest.raises(MissingRunError):
        run_status(RunDirectory(str(tmp_path)))
