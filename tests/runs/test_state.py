"""`run.json`: what is written comes back, and what is not ours is not believed."""

from __future__ import annotations

import json

import pytest

from nemo_curator.errors import MissingRunError
from nemo_curator.runs.effort import Effort
from nemo_curator.runs.fingerprints import RECORDS
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import FORMAT, PlannedColumn, RunState, read_facts
from nemo_curator.runs.status import run_status
from nemo_curator.stages.declarations import Column

RECORDS_PLAN = PlannedColumn(RECORDS, None, {"version": 1, "limits": {"pixels": 100}})
A = PlannedColumn("a", Column("a", "int", "px", (0.0, 5.0), "how a it is"), {"parameters": {"edge": None}})
B = PlannedColumn("b", Column("b", "string"), {"x": 1, "libraries": {"numpy": "1"}})


def run_in(folder) -> RunDirectory:
    """A run directory."""
    return RunDirectory(str(folder / "run"))


def test_round_trip(tmp_path):
    """Columns with all they declare, fingerprints, recipe, exports and names that are not text come back."""
    run = run_in(tmp_path)
    state = RunState.new(run)
    state.plan([RECORDS_PLAN, A, B])
    state.set_recipe({"rules": {"señor": "a > 1"}})
    state.decided({"inputs": 3, "kept": 2, "rejected": {"señor": 1}}, "d")
    state.exporting("/out/caf\udce9")
    state.exporting("/other")
    state.exported("/other", "0123")
    state.finish({"score": 1.23456}, Effort())
    state.write()
    back = RunState.require(run)
    assert back.facts == state.facts
    assert back.columns == (A.column, B.column)
    assert back.fingerprints == {one.name: one.fingerprint for one in (RECORDS_PLAN, A, B)}
    assert back.fingerprint == state.fingerprint
    assert back.column_facts("a") == A.facts
    assert back.column_facts("nobody") is None
    assert back.recipe == {"rules": {"señor": "a > 1"}}
    assert back.facts["seconds"] == {"score": 1.235}
    assert back.schema.field("a").type == "int64"
    assert [one["output"] for one in back.facts["exports"]] == ["/out/caf\udce9", "/other"]


def test_columns_of_earlier_plans_stay_behind():
    """A plan takes the place of its columns; others stay recorded, behind it, because parts may have them."""
    state = RunState.new(RunDirectory("run"))
    state.plan([RECORDS_PLAN, A])
    state.plan([RECORDS_PLAN, B])
    assert list(state.facts["columns"]) == [RECORDS, "b", "a"]


def test_one_export_a_place():
    """An export to a place that is on record takes its place in the record."""
    state = RunState.new(RunDirectory("run"))
    state.exporting("x")
    state.exported("x", "1")
    state.exporting("x")
    assert [set(one) for one in state.facts["exports"]] == [{"output", "started", "shapes"}]


def test_another_recipe_is_not_finished():
    """What was said of the end holds no more once another recipe is in force, or other records are there."""
    state = RunState.new(RunDirectory("run"))
    state.decided({"inputs": 1}, "d")
    state.finish({}, Effort())
    state.set_recipe({})
    assert "finished" not in state.facts
    assert "funnel" in state.facts
    assert "decided" in state.facts
    state.undecided()
    assert not {"funnel", "decided"} & state.facts.keys()


def good() -> dict:
    """The contents of a small `run.json`."""
    state = RunState.new(RunDirectory("run"))
    state.plan([RECORDS_PLAN, A])
    state.set_recipe({"scores": []})
    state.decided({"inputs": 0, "kept": 0, "rejected": {}}, "d")
    state.exporting("/out")
    state.facts |= {"notes": [], "ignored": []}
    return state.facts


WRONG = [None, 5, 0.5, True, "text", [], ["records"], [[]], {"x": 5}, {"x": []}, [{"output": 5}], [{}]]


@pytest.mark.parametrize("key", sorted(good()))
def test_wrong_types_at_every_key(tmp_path, key):
    """Whatever stands at a key, the file is taken for none of ours or can be used to its end; no traceback."""
    run = run_in(tmp_path)
    (tmp_path / "run").mkdir()
    for value in WRONG:
        (tmp_path / "run" / "run.json").write_text(json.dumps({**good(), key: value}))
        state = RunState.read(run)
        if state is None:
            continue
        assert key not in {"run", "columns"}, value
        assert isinstance(state.recipe, dict)
        assert [one.name for one in state.columns] == ["a"]
        assert run_status(run).partitions == 0
        state.write()


@pytest.mark.parametrize("path", [
    ("fingerprint",), ("facts",), ("declared",), ("declared", "name"), ("declared", "type"), ("declared", "range")
], ids=".".join)  # fmt: skip
def test_wrong_types_in_a_column(tmp_path, path):
    """A column that is not described as one is no column of a run."""
    run = run_in(tmp_path)
    (tmp_path / "run").mkdir()
    for value in [5, "text", ["x"], {"x": 1}, ["a", "b"], [None, 1]]:
        facts = good()
        place = facts["columns"]["a"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        (tmp_path / "run" / "run.json").write_text(json.dumps(facts))
        state = RunState.read(run)
        if state is not None:
            assert state.fingerprints
            assert [type(one.name) for one in state.columns] == [str]
            assert state.schema.names
            assert run_status(run).scored == 0


@pytest.mark.parametrize("text", [
    b"", b"{", b"null", b"[]", b'"run"', b"7", b"\xff\xfe", b'{"run": "imagecurator-run-1"}', b"[" * 100_000,
    f'{{"run": "{FORMAT}"}}'.encode(), b'{"run": ' + b"9" * 5000 + b"}", b"\0" * 1000,
], ids=range(12))  # fmt: skip
def test_files_that_are_none_of_ours(tmp_path, text):
    """A torn file, another program's, an older format's, or one made to hurt is no run."""
    run = run_in(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_bytes(text)
    assert read_facts(run) is None
    with pytest.raises(MissingRunError, match="there is no run directory"):
        RunState.require(run)


@pytest.mark.parametrize("funnel", [
    {}, {"inputs": 1}, {"kept": 1}, {"inputs": 1, "kept": {}}, {"inputs": 1, "kept": None}, {"inputs": "1", "kept": 1},
    [], None, 5, {"inputs": 1, "kept": 1, "rejected": [1]},
], ids=str)  # fmt: skip
def test_funnel_that_is_none(tmp_path, funnel):
    """A run whose funnel lacks its figures is not decided; what it scored stays."""
    run = run_in(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps({**good(), "funnel": funnel}))
    state = RunState.require(run)
    assert "funnel" not in state.facts
    assert [one.name for one in state.columns] == ["a"]
    assert not run_status(run).decided


def test_versions_come_from_libraries_alone(tmp_path):
    """A parameter or a column called `libraries` names no library, whatever it holds."""
    state = RunState.new(run_in(tmp_path))
    facts = {"parameters": {"libraries": {"evil": 1}, "deep": {"libraries": "x"}}, "libraries": {"numpy": "1"}}
    odd = PlannedColumn("libraries", Column("libraries", "int"), {"libraries": "none", "parameters": {"libraries": 5}})
    named = PlannedColumn("parameters", Column("parameters", "int"), {"model": {"libraries": {"onnx": "2"}}})
    state.plan([RECORDS_PLAN, PlannedColumn("a", A.column, facts), odd, named])
    state.write()
    assert state.libraries.keys() == {"duckdb", "pyarrow", "numpy", "onnx"}


def test_torn_at_every_byte(tmp_path):
    """No beginning of the file is taken for the whole of it."""
    run = run_in(tmp_path)
    (tmp_path / "run").mkdir()
    whole = json.dumps(good()).encode()
    for length in range(0, len(whole), 7):
        (tmp_path / "run" / "run.json").write_bytes(whole[:length])
        assert RunState.read(run) is None


def test_no_run_at_all(tmp_path):
    """Nothing, a file and a folder without a run are one sentence each."""
    (tmp_path / "file").write_text("x")
    for place in ("nowhere", "file", "."):
        with pytest.raises(MissingRunError, match=r"there is no run directory; name one"):
            RunState.require(RunDirectory(str(tmp_path / place)))
