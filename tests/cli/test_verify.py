"""`imagecurator verify` and `imagecurator remove`."""

from __future__ import annotations

import json

import pytest
from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence, tree

from nemo_curator import storage


@pytest.fixture
def out(place):
    """A delivered data set of two samples a shard."""
    done = imagecurator("export", place / "run", place / "out", "--shard-size", "2")
    assert done.returncode == 0, done.stderr
    return place / "out"


def test_whole_data_set(place, out):
    """A data set that is as it was delivered is checked to its end, against its sources too where a run is named."""
    done = imagecurator("verify", out)
    assert done.returncode == 0, done.stderr
    assert "6 samples in 3 shards checked" in done.stdout
    assert "everything is as the manifest says" in done.stdout
    facts = as_json("verify", out, "--run", place / "run")
    assert (facts["samples"], facts["compared"], facts["problems"]) == (6, 6, [])


def test_nothing_is_written(place, out):
    """Checking leaves everything as it is."""
    before = tree(place)
    imagecurator("verify", out, "--run", place / "run")
    assert tree(place) == before


def test_damage_is_named(out):
    """A shard with one other byte, and one that is gone, are named, and the exit code says so."""
    data = bytearray((out / "00001.tar").read_bytes())
    data[600] ^= 1
    (out / "00001.tar").write_bytes(data)
    done = imagecurator("verify", out)
    assert "00001.tar" in done.stdout
    assert "00001.tar" in sentence(done, 9)
    (out / "00002.tar").unlink()
    facts = json.loads(imagecurator("verify", out, "--json").stdout)
    assert facts["problem_count"] >= 2
    assert any("00002.tar" in one for one in facts["problems"])


def test_sources_that_changed(place, out):
    """A source that is gone is told, and is no fault of the data set."""
    (place / "in" / "001.jpg").unlink()
    done = imagecurator("verify", out, "--run", place / "run")
    assert "001.jpg" in done.stdout
    assert imagecurator("verify", out).returncode == 0


def test_no_data_set(place):
    """What holds no data set, and a run that is none, are one sentence."""
    sentence(imagecurator("verify", place / "nowhere"), 3)
    done = imagecurator("verify", place / "in")
    assert "this is no data set: it holds no manifest.json of imagecurator" in sentence(done, 3)
    assert done.stdout == ""


def test_a_data_set_without_its_manifest(out):
    """Shards without a manifest are what an export leaves that was stopped: it is said once, and how to go on."""
    (out / "manifest.json").unlink()
    done = imagecurator("verify", out)
    assert "manifest.json: it is missing" in sentence(done, 9)
    assert "give the same `export` command again" in done.stderr
    assert done.stdout == ""
    assert json.loads(imagecurator("verify", out, "--json").stdout)["problem_count"] == 1


def test_a_run_directory_is_no_data_set(place, out):
    """Who names the run directory is asked for the data set around it, where there is one."""
    assert "this is a run directory, and not a data set; name what" in sentence(
        imagecurator("verify", place / "run"), 3
    )
    (place / "run").rename(out / "run")
    done = imagecurator("verify", out / "run")
    assert f"this is a run directory, and not a data set; did you mean {out}?" in sentence(done, 3)
    assert done.stdout == ""


def test_run_that_is_none(place, out):
    """A run that is named and is none is one sentence."""
    assert "there is no run directory" in sentence(imagecurator("verify", out, "--run", place / "in"), 3)


def test_take_down(place, out):
    """Images are taken out of the shards that hold them; the others stay byte by byte, and the rest is whole."""
    (place / "ids.txt").write_text("shard/a\nnobody\n")
    before = tree(out)
    dry = imagecurator("remove", out, "--ids", place / "ids.txt", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "1 sample taken out" in dry.stdout
    assert "This was a dry run: nothing is changed." in dry.stdout
    assert tree(out) == before
    facts = as_json("remove", out, "--ids", place / "ids.txt")
    assert (facts["removed"], facts["unknown"], facts["dry_run"]) == (1, ["nobody"], False)
    after = tree(out)
    assert sum(after.get(name) != data for name, data in before.items() if name.endswith(".tar")) == 1
    done = imagecurator("verify", out, "--run", place / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 samples" in done.stdout
    again = imagecurator("remove", out, "--ids", place / "ids.txt")
    assert "0 samples taken out" in again.stdout
    assert tree(out) == after


def test_take_down_mistakes(place, out):
    """A list or data set that is not there, and one in use, are one sentence; nothing changes."""
    (place / "ids.txt").write_text("shard/a\n")
    before = tree(place)
    assert "nowhere.txt" in sentence(imagecurator("remove", out, "--ids", place / "nowhere.txt"), 3)
    sentence(imagecurator("remove", place / "in", "--ids", place / "ids.txt"), 3)
    sentence(imagecurator("remove", place / "nowhere", "--ids", place / "ids.txt"), 3)
    with storage.locked(str(out)):
        assert "at work here" in sentence(imagecurator("remove", out, "--ids", place / "ids.txt"), 4)
    assert tree(place) == before
    assert not (place / "nowhere").exists()
    assert imagecurator("remove", out).returncode == 2


def test_strangers_text_is_not_obeyed(place, out):
    """Control characters in a list of ids are shown, not obeyed."""
    (place / "ids.txt").write_bytes(b"no\x1b[31mbody\n")
    done = imagecurator("remove", out, "--ids", place / "ids.txt")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\\x1b[31m" in done.stdout
