"""`imagecurator status`."""

from __future__ import annotations

import json

from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence, tree


def test_scored_run(place):
    """A run that is scored says so, with its columns, and that nothing is decided."""
    done = imagecurator("status", place / "scored")
    assert done.returncode == 0, done.stderr
    assert "partitions: 2 of 2 scored" in done.stdout
    assert "inputs:     9 so far, 0 files ignored" in done.stdout
    assert "entropy" in done.stdout
    assert "not decided yet" in done.stdout
    facts = as_json("status", place / "scored")
    assert (facts["scored"], facts["records"], facts["decided"], facts["funnel"]) == (2, 9, False, None)
    assert set(facts["columns"].values()) == {2}


def test_a_run_from_end_to_end(place):
    """After deciding and exporting, the funnel and the data sets are there; asking changes nothing."""
    assert imagecurator("export", place / "run", place / "out").returncode == 0
    before = tree(place)
    done = imagecurator("status", place / "run")
    assert "9 inputs = 6 kept + 1 rejected + 1 duplicate + 1 quarantined" in done.stdout
    assert f"data set: {place / 'out'} (complete, 2" in done.stdout
    lines = done.stdout.splitlines()
    at = {
        word: next(number for number, line in enumerate(lines) if line.startswith(word))
        for word in ("partitions:", "kept", "data set:", "columns:")
    }
    assert list(at.values()) == sorted(at.values()), "progress and verdicts first, details last"
    assert sum(line.startswith("columns:") for line in lines) == 1
    assert as_json("status", place / "run")["exports"][0]["state"] == "complete"
    assert tree(place) == before
    (place / "out" / "manifest.json").unlink()
    assert as_json("status", place / "run")["exports"][0]["state"] == "gone"


def test_decided_otherwise_since(place):
    """A data set of earlier verdicts says that it is, until the same verdicts are there again."""
    assert imagecurator("export", place / "run", place / "out").returncode == 0
    for options, state in (
        (("--rule", "wide=width > 5"), "complete, of earlier verdicts"),
        (("--recipe", place / "recipe.yaml"), "complete"),
    ):
        assert imagecurator("decide", place / "run", *options).returncode == 0
        assert as_json("status", place / "run")["exports"][0]["state"] == state


def test_export_that_was_cut_short(place):
    """An export is interrupted until its manifest is there, and complete as soon as it is."""
    assert imagecurator("export", place / "run", place / "out").returncode == 0
    state = place / "run" / "run.json"
    facts = json.loads(state.read_text())
    for key in ("export", "finished"):
        del facts["exports"][0][key]
    state.write_text(json.dumps(facts))
    assert as_json("status", place / "run")["exports"][0]["state"] == "complete"
    (place / "out" / "manifest.json").unlink()
    assert as_json("status", place / "run")["exports"][0]["state"] == "interrupted"
    assert f"data set: {place / 'out'} (interrupted)" in imagecurator("status", place / "run").stdout


def test_partial_and_damaged_runs(place):
    """Missing partitions are counted, torn ones named; a run that only just began has none."""
    parts = sorted((place / "run" / "parts").iterdir())
    parts[0].write_bytes(parts[0].read_bytes()[:-10])
    facts = as_json("status", place / "run")
    assert (facts["scored"], facts["damaged"]) == (1, [str(parts[0])])
    assert "(the next scoring computes it again)" in imagecurator("status", place / "run").stdout
    parts[0].unlink()
    assert as_json("status", place / "run")["damaged"] == []
    (place / "run" / "partitions.parquet").unlink()
    facts = as_json("status", place / "run")
    assert (facts["partitions"], facts["records"]) == (0, 0)
    assert imagecurator("status", place / "run").returncode == 0


def test_what_goes_on_with_a_run_is_named(place):
    """What is missing is scored by the command that made the run, or by either where nothing says which it was."""
    next((place / "run" / "parts").iterdir()).unlink()
    said = imagecurator("status", place / "run").stdout
    assert "(`imagecurator run` or `imagecurator score`, given again, scores what is missing)" in said
    assert (
        "(`imagecurator score` scores what is missing)" in imagecurator("status", place / "run", "--shards", "2").stdout
    )
    state = place / "run" / "run.json"
    facts = json.loads(state.read_text())
    state.write_text(json.dumps({**facts, "finished": "2026-01-01T00:00:00+00:00"}))
    assert "(`imagecurator run` scores what is missing)" in imagecurator("status", place / "run").stdout
    state.write_text(json.dumps({**facts, "embeds": {}}))
    assert "(`imagecurator embed` scores what is missing)" in imagecurator("status", place / "run").stdout


def test_columns_are_wrapped(place, monkeypatch):
    """Their names stand in a paragraph that no line of leaves the terminal, and none is broken."""
    monkeypatch.setenv("COLUMNS", "60")
    names = list(as_json("status", place / "scored")["columns"])
    lines = imagecurator("status", place / "scored").stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("columns:    "))
    after = [line for line in lines[at + 1 :] if line.startswith(" " * 12)]
    assert after
    assert max(map(len, (lines[at], *after))) <= 60
    assert " ".join([lines[at], *after]).replace("columns:", "").replace(",", " ").split() == names


def test_no_run(place):
    """What is no run is one sentence: nothing, a folder, a file, a data set."""
    for name in ("nowhere", "in", "recipe.yaml"):
        assert "there is no run directory" in sentence(imagecurator("status", place / name), 3)


def test_what_a_file_says_is_not_obeyed(place):
    """Control characters and markup in `run.json` are shown, not obeyed."""
    state = place / "run" / "run.json"
    facts = json.loads(state.read_text())
    facts |= {"started": "\x1b[31m[bold]now", "notes": ["\x1b[2J[red]note", 5]}
    facts["exports"] = [{"output": "\x1b]0;title\x07", "export": "x", "finished": "\x1b"}]
    state.write_text(json.dumps(facts))
    done = imagecurator("status", place / "run")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
    assert "\\x1b[31m[bold]now" in done.stdout
    assert "note: \\x1b[2J[red]note" in done.stdout


def test_models(place):
    """Models are listed with how they are computed, also where nothing was open; figures that are none are left out."""
    state = place / "scored" / "run.json"
    facts = json.loads(state.read_text())
    entropy = next(iter(facts["columns"]))
    model = {"name": "m\x1b[1m", "runtime": "onnxruntime", "precision": "fp32"}
    facts["columns"][entropy]["facts"]["model"] = model
    way = {"runtime": "onnxruntime", "precision": "fp32", "weights": {}, "why": ""}
    figures = {"images": 4, "cosine": 0.5, "changed": {"aesthetic": 0.25}}
    facts["numerics"] = {"a": {**way, "tried": [figures]}, "b": {**way, "tried": [{"cosine": "\x1b"}]}, "c": 3}
    state.write_text(json.dumps(facts))
    told = {one["model"]: one for one in as_json("status", place / "scored")["models"]}
    assert set(told) == {"m\x1b[1m", "a"}
    assert told["m\x1b[1m"]["columns"] == [entropy]
    assert told["a"]["tried"] == [figures]
    said = imagecurator("status", place / "scored").stdout
    assert "\x1b" not in said
    assert "m\\x1b[1m is computed in fp32 on onnxruntime" in said
    assert "aesthetic 25.00%" in said
