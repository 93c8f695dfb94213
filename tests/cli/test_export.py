"""`imagecurator export`."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence, tree

from nemo_curator import storage


def test_writes_what_is_kept(place):
    """What is kept is written with its own bytes, and checking it is the next step that is named."""
    done = imagecurator("export", place / "run", place / "out")
    assert done.returncode == 0, done.stderr
    assert "6 samples" in done.stdout
    assert f"check:    imagecurator verify {place / 'out'}" in done.stdout
    assert set(tree(place / "out")) == {"00000.tar", "00000.parquet", "manifest.json"}


@pytest.mark.parametrize("form", ["webdataset", "folder", "parquet", "mds"])
def test_formats(place, form):
    """Each format holds the kept images; a second export finds them there and changes nothing."""
    facts = as_json("export", place / "run", place / "out", "--format", form)
    assert (facts["samples"], facts["missing"]) == (6, [])
    rows = pq.read_table(place / "out" / "00000.parquet").num_rows
    assert rows == 6
    names = set(tree(place / "out"))
    assert ("00000.tar" in names) == (form == "webdataset")
    assert ("00000/000.jpg" in names) == (form == "folder")
    before = tree(place / "out")
    done = imagecurator("export", place / "run", place / "out", "--format", form)
    assert "all of which were there already" in done.stdout
    assert tree(place / "out") == before


def test_shard_sizes(place):
    """Shards are cut by number of samples or by bytes; which one is set takes the place of the other."""
    assert as_json("export", place / "run", place / "a", "--shard-size", "4", "--dry-run")["shards"] == 2
    assert as_json("export", place / "run", place / "b", "--shard-bytes", "1", "--dry-run")["shards"] == 6
    assert imagecurator("decide", place / "run", "-s", "export.shard_bytes=1").returncode == 0
    assert as_json("export", place / "run", place / "c", "--dry-run")["shards"] == 6
    assert as_json("export", place / "run", place / "c", "--shard-size", "4", "--dry-run")["shards"] == 2
    assert as_json("export", place / "run", place / "c", "-s", "export.shard_size=3", "--dry-run")["shards"] == 2


def test_dry_run_writes_nothing(place):
    """A dry run says how much would be written, and writes nothing."""
    before = tree(place)
    done = imagecurator("export", place / "run", place / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "6 samples" in done.stdout
    assert "This was a dry run: nothing is written." in done.stdout
    assert tree(place) == before
    assert not (place / "out").exists()


def test_from_another_directory(place, monkeypatch):
    """A run that was scored with a relative input is exported from anywhere."""
    monkeypatch.chdir(place)
    assert imagecurator("score", "in", "new", "-r", "recipe.yaml").returncode == 0
    monkeypatch.chdir(place / "in")
    assert imagecurator("decide", "../new").returncode == 0
    done = imagecurator("export", "../new", "../out")
    assert done.returncode == 0, done.stderr
    assert as_json("verify", "../out", "--run", "../new")["compared"] == 6


def test_source_that_is_gone(place):
    """A kept image whose file is gone ends the export by its name; `--skip-missing` writes the others and says so."""
    (place / "in" / "001.jpg").unlink()
    before = tree(place / "in")
    said = sentence(imagecurator("export", place / "run", place / "out"), 3)
    assert "001.jpg" in said
    assert not (place / "out" / "manifest.json").exists()
    done = imagecurator("export", place / "run", place / "out", "--skip-missing")
    assert done.returncode == 0, done.stderr
    assert "note: missing: 1 kept sample, 001.jpg for one" in done.stdout
    assert json.loads((place / "out" / "manifest.json").read_text())["samples"] == 5
    assert tree(place / "in") == before


def test_mistakes(place):
    """Each mistake is one sentence with its exit code, and nothing is written."""
    assert imagecurator("export", place / "run", place / "done").returncode == 0
    (place / "full").mkdir()
    (place / "full" / "thesis.tex").write_text("x")
    before = tree(place)
    for arguments, code, words in [
        (("nowhere", "out"), 3, "there is no run directory"),
        (("scored", "out"), 3, f"this run is not decided yet; run `imagecurator decide {place / 'scored'}`"),
        (("run", "done", "--shard-size", "5"), 4, "this already holds a finished data set; choose another OUTPUT"),
        (("run", "full"), 4, "did not put there, such as 'thesis.tex'"),
        (("run", "in"), 4, "input and output are the same place"),
        (("run", "in/out"), 4, "the output lies inside the input"),
        (("run", "recipe.yaml"), 4, "this is a file, and the output is a folder"),
        (("run", "run"), 4, "the run directory and the output are the same place"),
        (("run", "out", "--shard-size", "5", "--shard-bytes", "5"), 5, "give one of --shard-size and --shard-bytes"),
        (("run", "out", "--shard-bytes", "many"), 5, "'many' is no size"),
        (("run", "out", "-s", "export.formt=folder"), 5, "did you mean 'format'?"),
        (("run", "out", "-s", "models={nsfw: x}"), 5, "models changes nothing in an export"),
    ]:
        said = sentence(imagecurator("export", place / arguments[0], place / arguments[1], *arguments[2:]), code)
        assert words in said, said
        assert tree(place) == before, arguments
    assert imagecurator("export", place / "run", place / "out", "--format", "tar").returncode == 2


def test_a_run_that_is_not_scored_to_its_end(place):
    """What is said first is what has to be done first: scoring goes on, and only then there is something to decide."""
    next((place / "scored" / "parts").glob("*.parquet")).unlink()
    for command in (("export", place / "scored", place / "out"), ("report", place / "scored")):
        said = sentence(imagecurator(*command), 3)
        assert "1 of 2 partitions are not scored, or damaged" in said
        assert "finish scoring with `imagecurator score INPUT RUN`" in said


def test_replace(place):
    """`--replace` puts another cut of the data set in the place of an earlier one, and leaves nothing of it."""
    assert imagecurator("export", place / "run", place / "out", "--shard-size", "2").returncode == 0
    assert len(tree(place / "out")) == 7
    assert imagecurator("export", place / "run", place / "out", "--replace").returncode == 0
    assert set(tree(place / "out")) == {"00000.tar", "00000.parquet", "manifest.json"}


def test_output_in_use(place):
    """While another export writes there, the place is refused."""
    with storage.locked(str(place / "out")):
        said = sentence(imagecurator("export", place / "run", place / "out"), 4)
    assert "another imagecurator is at work here" in said
