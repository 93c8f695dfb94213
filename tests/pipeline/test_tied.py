"""What an export says and takes is what was decided and scored, whatever changed beside it since."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.processes import pictures

from nemo_curator.errors import IncompleteRunError, OutputExistsError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.export import export_locked
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory


@pytest.fixture
def source(tmp_path):
    """A folder of four pictures."""
    return pictures(tmp_path / "in", 4)


@pytest.fixture
def run(tmp_path, source):
    """A scored run of it."""
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(source)], run, Recipe(scores=["header"], rules={}), workers=0)
    return run


def test_lists_are_those_of_the_decision(run, tmp_path):
    """The manifest names the list that was heeded, although its file changed or went since."""
    listed = tmp_path / "deny.txt"
    listed.write_text("001.jpg\n")
    decide_locked(run, Recipe(scores=["header"], rules={}, deny=str(listed)))
    listed.write_text("001.jpg\n002.jpg\n")
    export_locked(run, str(tmp_path / "a"))
    listed.unlink()
    export_locked(run, str(tmp_path / "b"))
    for name in "ab":
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert (manifest["samples"], manifest["lists"]["deny"]["ids"]) == (3, 1)


def test_verdicts_that_were_exchanged(run, tmp_path):
    """Decisions that are not those of the last decision are not exported, though as many are kept."""
    decide_locked(run, Recipe(scores=["header"], rules={"some": "image_id = '001.jpg'"}))
    table = pq.read_table(run.decisions)
    verdicts = pa.array(["reject", "keep", "keep", "keep"])
    pq.write_table(table.set_column(1, "verdict", verdicts), run.decisions)
    with pytest.raises(IncompleteRunError, match="not the verdicts"):
        export_locked(run, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_file_that_changed_before_it_was_scored(run, source, tmp_path):
    """A partition without a part is scored as its files are now, and exported so."""
    for part in (tmp_path / "run" / "parts").iterdir():
        part.unlink()
    with (source / "000.jpg").open("ab") as file:
        file.write(b"more")
    plan = score_run([str(source)], run, Recipe(scores=["header"], rules={}), workers=0)
    assert plan.notes == ("1 file (000.jpg) may have changed since the first scoring, and is scored again",)
    decide_locked(run)
    assert export_locked(run, str(tmp_path / "out")).samples == 4


def test_changed_and_scored_again_is_another_data_set(run, source, tmp_path):
    """Where other bytes were scored, what was delivered before is not taken for current."""
    decide_locked(run)
    export_locked(run, str(tmp_path / "out"))
    with (source / "000.jpg").open("ab") as file:
        file.write(b"more")
    score_run([str(source)], run, Recipe(scores=["header"], rules={}), workers=0, rescore=True)
    decide_locked(run)
    with pytest.raises(OutputExistsError, match="finished data set"):
        export_locked(run, str(tmp_path / "out"))
    export_locked(run, str(tmp_path / "out"), replace=True)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["samples"] == 4


def test_another_list_of_the_same_name(source, tmp_path):
    """A data set is not taken for that of another list, though both files have one name; nothing is decided."""
    for folder, ids in (("one", "001.jpg\n"), ("two", "002.jpg\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "deny.txt").write_text(ids)
    recipes = [Recipe(scores=["header"], rules={}, deny=str(tmp_path / name / "deny.txt")) for name in ("one", "two")]
    curate([str(source)], str(tmp_path / "out"), recipes[0], workers=0)
    before = (tmp_path / "out" / "run" / "decisions.parquet").read_bytes()
    with pytest.raises(OutputExistsError, match="another recipe"):
        curate([str(source)], str(tmp_path / "out"), recipes[1], workers=0)
    assert (tmp_path / "out" / "run" / "decisions.parquet").read_bytes() == before
