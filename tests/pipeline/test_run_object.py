"""`nemo_curator.runs.Run`: score, look, decide, export, explain, compare, from a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.kept import make_source
from tests.cli.processes import tree

from nemo_curator import storage
from nemo_curator.errors import (
    IncompleteRunError,
    LockedError,
    MissingRunError,
    OutputExistsError,
    RecipeError,
    StaleScoresError,
    UnknownImageError,
)
from nemo_curator.runs import Run
from nemo_curator.runs.parts import FINGERPRINTS

RULES = {"small": "least(width, height) < 64"}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An input that is never written to."""
    return make_source(tmp_path_factory.mktemp("source") / "in")


@pytest.fixture
def run(source, tmp_path):
    """A scored run."""
    return Run.score(source.as_posix(), str(tmp_path / "run"), workers=0, scores=["header", "entropy"], rules=RULES)


def test_from_images_to_data_set(run, tmp_path):
    """The whole way: score, look, decide, export, explain."""
    assert (run.status().records, run.status().decided) == (9, False)
    table = run.table(["image_id", "entropy"])
    assert table.column_names == ["image_id", "entropy"]
    assert table.num_rows == 9
    funnel = run.decide(rules={**RULES, "busy": "entropy > quantile(entropy, 0.9)"})
    assert funnel.inputs == 9
    assert run.recipe["rules"]["busy"]
    assert run.status().decided
    exported = run.export(str(tmp_path / "out"))
    assert exported.samples == funnel.kept
    facts = run.explain("shard/a")
    assert facts.row["caption"] == "a caption"
    assert facts.decision["verdict"] == "keep"
    assert facts.exported[0].output == str(tmp_path / "out")
    assert repr(Run(str(tmp_path / "run/"))) == repr(run)


def test_a_dry_decision_changes_nothing(run, tmp_path):
    """A dry run gives the funnel and leaves the verdicts, and the recipe in force, as they are."""
    run.decide()
    before = tree(tmp_path)
    funnel = run.decide(write=False, rules={"all": "true"})
    assert (funnel.kept, funnel.rejected) == (0, {"all": 8})
    assert tree(tmp_path) == before
    assert run.recipe["rules"] == RULES


def test_warnings_of_thresholds(run):
    """A run says what is odd about the rules in force; a dry run's funnel about those that were tried."""
    assert run.warnings == []
    (odd,) = run.decide(write=False, rules={"plain": "entropy > 80"}).warnings
    assert (odd.rule, odd.kind) == ("plain", "nothing")
    assert run.warnings == []
    run.decide(rules={"plain": "entropy > 80"})
    assert run.warnings == [odd.text]
    run.decide(rules={})
    assert run.warnings == []


def test_other_keys_stay_in_force(run):
    """A decision changes the keys that it names; the others stay as they were."""
    run.decide(sample={"n": 2})
    assert run.decide(rules={}).kept == 2
    assert run.decide(sample=None).kept == 7
    assert run.recipe["scores"] == ["header", "entropy"]


@pytest.mark.parametrize("form", ["webdataset", "folder", "parquet", "mds"])
def test_export_in_every_format(run, tmp_path, form):
    """Each format is written, and found there when it is asked for again."""
    run.decide()
    exported = run.export(str(tmp_path / "out"), format=form)
    assert pq.read_table(tmp_path / "out" / "00000.parquet").num_rows == exported.samples == 6
    assert run.export(str(tmp_path / "out"), format=form).samples == 6
    with pytest.raises(OutputExistsError):
        run.export(str(tmp_path / "out"), format=form, shard_size=2)
    run.export(str(tmp_path / "out"), format=form, shard_size=2, replace=True)
    assert (tmp_path / "out" / "00002.parquet").exists()


def test_export_takes_workers_and_memory(run, tmp_path, monkeypatch):
    """Processes and memory are those of the command; the files do not depend on them, and nonsense is refused."""
    run.decide()
    asked = []
    exporting = sys.modules["nemo_curator.runs.exporting.export"]  # the package has a function of that name
    monkeypatch.setattr(exporting, "render_workers", lambda *given: asked.append(given[1:]) or 1)
    smaller = {"resize": {"longest": 40}, "encode": {"format": "webp"}}
    run.export(str(tmp_path / "a"), workers=2, memory="3GB", **smaller)
    run.export(str(tmp_path / "b"), **smaller)
    assert asked == [(2, 3_000_000_000), (None, None)]
    assert (tmp_path / "a" / "00000.tar").read_bytes() == (tmp_path / "b" / "00000.tar").read_bytes()
    for wrong in ({"workers": 0}, {"memory": "much"}):
        with pytest.raises(ValueError, match=r"workers is 0|is no size"):
            run.export(str(tmp_path / "c"), **wrong)
    assert not (tmp_path / "c").exists()


def test_export_keys(run, tmp_path):
    """Keys of `export` that are not named stay as the recipe has them; of two limits the named one counts."""
    run.decide(export={"format": "folder", "shard_bytes": 1}, shuffle=1)
    run.export(str(tmp_path / "a"), shard_size=3)
    assert (tmp_path / "a" / "00001").is_dir()
    assert not (tmp_path / "a" / "00002").exists()
    run.export(str(tmp_path / "b"), shuffle=2, format="parquet")
    assert (tmp_path / "b" / "00005.parquet").exists()
    order = [
        pq.read_table(path)["image_id"].to_pylist()
        for path in (tmp_path / "a" / "00000.parquet", tmp_path / "b" / "00000.parquet")
    ]
    assert order[0][0] != order[1][0]
    with pytest.raises(RecipeError, match="did you mean 'format'"):
        run.export(str(tmp_path / "c"), formt="folder")
    with pytest.raises(RecipeError, match="give one of"):
        run.export(str(tmp_path / "c"), shard_size=1, shard_bytes=1)
    assert not (tmp_path / "c").exists()


def test_scan(run):
    """Rows come in source order, a partition at a time, of one schema, with the verdicts of each where asked for."""
    run.decide()
    batches = list(run.scan())
    assert len(batches) == 2
    assert {batch.schema for batch in batches} == {run.schema}
    whole = run.table(verdicts=True)
    assert whole.column_names == [
        *run.schema.names,
        *(one for one in run.decisions().column_names if one != "image_id"),
    ]
    assert whole["image_id"].to_pylist() == run.decisions()["image_id"].to_pylist()
    assert whole["verdict"].to_pylist() == run.decisions()["verdict"].to_pylist()
    rows = {row["image_id"]: row for row in whole.to_pylist()}
    assert rows["tiny.jpg"]["rule"] == "small"
    assert rows["cut.jpg"]["verdict"] == "quarantine"
    assert run.table(["entropy", "image_id"]).column_names == ["entropy", "image_id"]
    assert run.table([], verdicts=True).num_rows == 9


def test_columns_that_a_part_lacks(run, source, tmp_path):
    """A column that only some partitions have, because a scoring was cut short, is NULL in the others."""
    again = Run.score(str(source), str(tmp_path / "run"), workers=0, scores=["header", "entropy", "exposure"])
    old = next((tmp_path / "run" / "parts").iterdir())
    table = pq.read_table(old)
    marks = json.loads(table.schema.metadata[FINGERPRINTS])
    del marks["dark_share"]
    lacking = table.drop_columns(["dark_share"]).replace_schema_metadata({FINGERPRINTS: json.dumps(marks)})
    pq.write_table(lacking, old)
    values = again.table(["dark_share"])["dark_share"]
    assert values.null_count >= table.num_rows
    assert values.type == pa.float64()


def test_mistakes(run, source, tmp_path):
    """Each mistake is an error of its own kind, and nothing changes."""
    before = tree(tmp_path)
    for call, error, words in [
        (lambda: Run(str(source)), MissingRunError, "there is no run directory"),
        (lambda: run.table(["entropi"]), RecipeError, "there is no column 'entropi'"),
        (lambda: run.decide(rule={}), RecipeError, "unknown key 'rule'; did you mean 'rules'"),
        (lambda: run.decide(scores=["header"]), RecipeError, "'scores' says what to compute"),
        (lambda: run.decide(rules={"x": "entropi < 1"}), RecipeError, "did you mean 'entropy'"),
        (lambda: run.decide(rules={"x": object()}), RecipeError, "a recipe is plain data"),
        (lambda: run.decide(split={"train": 0.5}), RecipeError, "the shares add up to 0.5"),
        (run.decisions, IncompleteRunError, "not decided yet"),
        (lambda: run.table(verdicts=True), IncompleteRunError, "not decided yet"),
        (lambda: run.export(str(tmp_path / "out")), IncompleteRunError, "not decided yet"),
        (lambda: run.explain("nobody"), UnknownImageError, "no image 'nobody'"),
        (lambda: Run.score(str(source), str(tmp_path / "new"), scors=[]), RecipeError, "did you mean 'scores'"),
        (lambda: Run.score(str(source), str(tmp_path / "new"), scores=[np.float32]), RecipeError, "plain data"),
        (
            lambda: Run.score(str(source), str(tmp_path / "run"), scores=["header"], limits={"pixels": 5}),
            StaleScoresError,
            "limits.pixels: 100,000,000 → 5",
        ),
    ]:
        with pytest.raises(error, match=words.replace("(", r"\(")):
            call()
        assert tree(tmp_path) == before, words


def test_compare(run, source, tmp_path):
    """Two runs are compared by their verdicts."""
    run.decide()
    other = Run.score([str(source)], str(tmp_path / "other"), workers=0, scores=["entropy"])
    other.decide(rules={"all": "true"})
    found = run.compare(other)
    assert (found.same, found.changed) == (1, 8)


def test_one_at_a_time(run, tmp_path):
    """While another process is at work in the run, deciding is refused and looking is not."""
    with storage.locked(str(tmp_path / "run")):
        with pytest.raises(LockedError):
            run.decide()
        assert run.status().at_work
        assert run.table().num_rows == 9
        assert run.decide(write=False).inputs == 9


@pytest.fixture(scope="module")
def embedded(source, tmp_path_factory):
    """A run with embeddings."""
    folder = tmp_path_factory.mktemp("embedded")
    return Run.score(str(source), str(folder / "run"), workers=0, scores=["header", "embedding"], rules={})


def test_embeddings(embedded):
    """Embeddings come a partition at a time, mapped, with the ids of the readable images, equal to their Parquet."""
    rows = embedded.table(["image_id", "error"]).to_pylist()
    readable = [row["image_id"] for row in rows if row["error"] is None]
    found: list[str] = []
    for ids, matrix in embedded.embeddings():
        found += ids
        assert isinstance(matrix, np.memmap)
        assert (matrix.dtype, matrix.shape) == (np.float16, (len(ids), 1280))
        np.testing.assert_allclose(np.linalg.norm(matrix.astype(np.float32), axis=1), 1, atol=1e-2)
    assert found == readable
    assert "cut.jpg" not in found


def test_mirrors_equal_their_parquet(embedded):
    """Each `.npy` holds the same numbers as the Parquet of its partition, bit by bit, and no object."""
    root = Path(embedded.directory.root)
    mirrors = sorted(root.rglob("*.npy"))
    tables = sorted((root / "embeddings").glob("*.parquet"))
    assert [path.stem for path in mirrors] == [path.stem for path in tables] != []
    for mirror, path in zip(mirrors, tables, strict=True):
        matrix = np.load(mirror, mmap_mode="r", allow_pickle=False)
        table = pq.read_table(path)
        assert table["embedding"].type == pa.list_(pa.float16(), 1280)
        stored = table["embedding"].combine_chunks().values.to_numpy(zero_copy_only=False).reshape(matrix.shape)
        np.testing.assert_array_equal(stored.view(np.uint16), np.asarray(matrix).view(np.uint16))


IMPORTS = """
import json, sys
import nemo_curator.runs
heavy = ("pyarrow", "duckdb", "onnxruntime", "numpy", "PIL", "torch", "ray")
print(json.dumps([name for name in heavy if name in sys.modules]))
from nemo_curator.runs import Run
from nemo_curator.runs.parts import FINGERPRINTS
print(json.dumps([name for name in ("onnxruntime", "torch", "ray") if name in sys.modules]))
"""


def test_importing_loads_nothing_heavy():
    """The room alone loads nothing; its door loads no model runtime."""
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[], []]


def test_no_embedding_is_left_of_what_became_an_error(source, tmp_path):
    """After a scoring with tighter limits only images that are still readable have embeddings."""
    place, keys = str(tmp_path / "run"), {"scores": ["header", "embedding"], "rules": {}}
    Run.score(str(source), place, workers=0, **keys)
    run = Run.score(str(source), place, workers=0, rescore=True, limits={"pixels": 1000}, **keys)
    assert [ids for ids, _ in run.embeddings()] == [["tiny.jpg"]]
    assert len(list((tmp_path / "run" / "embeddings").glob("*.parquet"))) == 1
    assert len(list((tmp_path / "run").rglob("*.npy"))) == 1
