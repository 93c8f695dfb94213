"""Bad input and bad places: one sentence, an exit code, and nothing lost or half-written."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.cli.kept import as_json
from tests.cli.processes import CHEAP, command, imagecurator, pictures, process, sentence, tree

from nemo_curator import storage
from nemo_curator.testing import make_tar


@pytest.fixture
def source(tmp_path):
    """A folder of three pictures."""
    return pictures(tmp_path / "photos")


@pytest.fixture
def recipe(tmp_path):
    """A recipe that decodes nothing."""
    path = tmp_path / "cheap.yaml"
    path.write_text(CHEAP)
    return path


def test_missing_input(tmp_path, source):
    """A path with nothing at it is named, with the nearest name that is there; no output appears."""
    said = sentence(process("run", tmp_path / "photo", tmp_path / "out"), 3)
    assert "there is nothing at this path; did you mean 'photos'?" in said
    assert str(tmp_path / "photo") in said
    assert not (tmp_path / "out").exists()


def test_empty_input(tmp_path):
    """A folder without anything to account for is an error, not an empty data set."""
    (tmp_path / "empty").mkdir()
    said = sentence(imagecurator("run", tmp_path / "empty", tmp_path / "out"), 3)
    assert "there is no image and no shard in it (it holds no file)" in said
    assert not (tmp_path / "out").exists()


def test_output_of_somebody_else(tmp_path, source, recipe):
    """A folder that holds anything else is refused, and stays as it is."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    said = sentence(imagecurator("run", source, out, "-r", recipe), 4)
    assert "files that imagecurator did not put there, such as 'thesis.tex'" in said
    assert tree(out) == {"thesis.tex": b"years of work"}


def test_what_replaces_is_not_told_that_scores_are_used_again(tmp_path, source, recipe):
    """Who asked for other scores is not told that the old ones stay."""
    out = tmp_path / "out"
    assert imagecurator("run", source, out, "-r", recipe).returncode == 0
    said = sentence(imagecurator("run", source, out, "-r", recipe, "-s", "limits.pixels=50M", "--rescore"), 4)
    assert said.endswith("pass --replace to write this one in its place")
    said = sentence(imagecurator("run", source, out, "-r", recipe, "-s", "rules.wide=width > 5"), 4)
    assert said.endswith("pass --replace to write this one in its place (its scores are used again)")


@pytest.mark.parametrize("command", ["run", "score", "embed"])
def test_a_run_at_work_is_told_before_anything_else(tmp_path, source, recipe, command):
    """A run that somebody makes at this moment is not to be thrown away because another input was named."""
    out = tmp_path / "out"
    run = out if command == "score" else out / "run"
    own = () if command == "embed" else ("-r", recipe)
    assert imagecurator(command, source, out, *own).returncode == 0
    other = pictures(tmp_path / "other" / "deeper").parent
    before = tree(out)
    assert "another input" in sentence(imagecurator(command, other, out, *own), 4)
    with storage.locked(str(run)):
        for more in ([], ["--dry-run"]):
            said = sentence(imagecurator(command, other, out, *own, *more), 4)
            assert "another imagecurator is at work here; wait until it ends, or choose another place" in said
            assert "replace" not in said
    assert "another input" in sentence(imagecurator(command, other, out, *own, "--dry-run"), 4)
    assert tree(out) == before


@pytest.mark.parametrize("command", ["run", "score", "embed"])
def test_a_dry_run_beside_a_run_at_work_says_so(tmp_path, source, recipe, command):
    """Looking is allowed meanwhile, and whoever looks is told that what is counted changes."""
    out = tmp_path / "out"
    own = () if command == "embed" else ("-r", recipe)
    assert imagecurator(command, source, out, *own).returncode == 0
    said = "note: another imagecurator is at work in this run"
    with storage.locked(str(out if command == "score" else out / "run")):
        done = imagecurator(command, source, out, *own, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    assert said not in imagecurator(command, source, out, *own, "--dry-run").stdout


def test_nothing_that_can_be_read(tmp_path, recipe):
    """The run did what it was asked, and its last line says aloud that nothing is kept, why, and where to read on."""
    (tmp_path / "in").mkdir()
    for number in range(2):
        (tmp_path / "in" / f"{number}.jpg").write_text("<html>")
        done = imagecurator("run", tmp_path / "in", tmp_path / f"out{number}", "-r", recipe)
        assert done.returncode == 0
        assert "alone` shows" not in done.stdout
        which = ("the one input could not be read", "none of the 2 inputs could be read")[number]
        said = f"nothing is kept: {which} (not_an_image {number + 1}); the report says why, and what may be done"
        assert done.stderr.splitlines()[-1] == f"warning: {said}"
        assert "nothing is kept" not in done.stdout
        assert f"note: {said}" in imagecurator("status", tmp_path / f"out{number}").stdout
        assert as_json("run", tmp_path / "in", tmp_path / f"json{number}", "-r", recipe)["kept"] == 0
    pictures(tmp_path / "in")
    done = imagecurator("run", tmp_path / "in", tmp_path / "out", "-r", recipe, "-s", "rules.all='true'")
    said = "warning: nothing is kept; the column `alone` shows which rule takes how much"
    assert done.stderr.splitlines()[-1] == said


def test_nothing_that_is_new(tmp_path, source, recipe):
    """Where all repeats an earlier run no rule is blamed."""
    assert imagecurator("run", source, tmp_path / "june", "-r", recipe).returncode == 0
    done = imagecurator("run", source, tmp_path / "july", "-r", recipe, "--against", tmp_path / "june")
    assert done.returncode == 0, done.stderr
    assert "nothing is kept: what could be read repeats images that an earlier run kept" in done.stderr.splitlines()[-1]


def test_finished_output_is_not_overwritten(tmp_path, source, recipe):
    """A finished data set is left to another recipe or a grown input only by `--replace`; the same is there already."""
    out = tmp_path / "out"
    assert imagecurator("run", source, out, "-r", recipe).returncode == 0
    before = tree(out)
    assert imagecurator("run", source, out, "-r", recipe).returncode == 0
    after = tree(out)
    assert {name for name in before if after[name] != before[name]} <= {"run/run.json", "run/report.html"}
    before = after
    said = sentence(imagecurator("run", source, out, "-r", recipe, "-s", "rules.wide=width > 5"), 4)
    assert "this holds a finished data set of another recipe; choose another OUTPUT, or pass --replace" in said
    assert tree(out) == before
    pictures(source, 4)
    said = sentence(imagecurator("run", source, out, "-r", recipe), 4)
    assert "this holds a finished data set, and there is more to score since; choose another" in said
    assert tree(out) == before
    assert imagecurator("run", source, out, "-r", recipe, "--replace").returncode == 0
    assert tree(out)["00000.tar"] != before["00000.tar"]


@pytest.mark.parametrize("inner", ["", "out", "deeper/out", "../photos/out", "."])
def test_output_inside_the_input(tmp_path, source, recipe, inner, monkeypatch):
    """An output in the input, however it is spelled, would be read as input by the next run; it is refused."""
    before = tree(source)
    monkeypatch.chdir(tmp_path)
    said = sentence(imagecurator("run", source, f"photos/{inner}", "-r", recipe), 4)
    assert "lies inside the input" in said or "are the same place" in said
    assert tree(source) == before


def test_output_through_a_link_into_the_input(tmp_path, source, recipe):
    """A link that leads into the input is seen through."""
    (tmp_path / "link").symlink_to(source)
    said = sentence(imagecurator("run", source, tmp_path / "link" / "out", "-r", recipe), 4)
    assert "lies inside the input" in said
    assert not (source / "out").exists()


def test_input_inside_the_output(tmp_path, recipe):
    """A shard is never deleted or overwritten because its folder is named as output, not even with `--replace`."""
    folder = tmp_path / "set"
    make_tar(folder / "00000.tar", [("a.txt", b"precious")])
    before = tree(folder)
    for extra in ([], ["--replace"]):
        said = sentence(imagecurator("run", folder / "00000.tar", folder, "-r", recipe, *extra), 4)
        assert "lies inside the output" in said
        assert tree(folder) == before


def test_output_is_a_file(tmp_path, source, recipe):
    """A file in the place of the output folder is refused and kept."""
    (tmp_path / "out").write_text("mine")
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", recipe, "--replace"), 4)
    assert "this is a file, and the output is a folder" in said
    assert (tmp_path / "out").read_text() == "mine"


def test_output_below_a_file(tmp_path, source, recipe):
    """A file in the way of the output's parents is named."""
    (tmp_path / "file").write_text("mine")
    said = sentence(imagecurator("run", source, tmp_path / "file" / "out", "-r", recipe), 4)
    assert "cannot be" in said
    assert (tmp_path / "file").read_text() == "mine"


def test_dangling_output_link(tmp_path, source, recipe):
    """An output that is a link to nothing is an error of the output."""
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    sentence(imagecurator("run", source, tmp_path / "out", "-r", recipe), 4)
    assert not (tmp_path / "nowhere").exists()


def test_unreadable_files_are_records(tmp_path, source, recipe):
    """A pipe and a link to nothing among the inputs end in quarantine; the run waits for neither, and ends well."""
    os.mkfifo(source / "pipe.jpg")
    (source / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    done = imagecurator("run", source, tmp_path / "out", "-r", recipe, "--json")
    assert done.returncode == 0, done.stderr
    assert '"quarantined": 2' in done.stdout
    assert '"unreadable": 2' in done.stdout


def test_a_folder_that_may_not_be_read_is_told():
    """It is one record, whatever lies in it, so a note says before the run that something is missing."""
    with tempfile.TemporaryDirectory() as place:
        folder = pictures(Path(place) / "in")
        for one in (Path(place), folder, *folder.iterdir()):
            one.chmod(0o755)
        (folder / "closed").mkdir(mode=0o000)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            done = imagecurator("run", folder, f"{place}/out", "--dry-run", "-s", "scores=[header]", "-s", "rules={}")
        finally:
            os.seteuid(user)
    assert done.returncode == 0, done.stderr
    assert "1 folder cannot be read (closed): what lies in it is not in this run" in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_input(tmp_path, source, recipe):
    """A folder that may not be listed is named with its permissions as the cause."""
    source.chmod(0)
    try:
        said = sentence(imagecurator("run", source, tmp_path / "out", "-r", recipe), 3)
    finally:
        source.chmod(0o755)
    assert "check its permissions" in said


def test_input_that_is_no_file(tmp_path, recipe):
    """A pipe given as the input itself is accounted for and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    done = imagecurator("run", tmp_path / "pipe", tmp_path / "out", "-r", recipe, "--json")
    assert done.returncode in {0, 3}
    assert "Traceback" not in done.stderr


def test_two_inputs_of_one_name(tmp_path, recipe):
    """Two folders of one name would share their ids; the error names both and the way out."""
    one, two = pictures(tmp_path / "a" / "photos"), pictures(tmp_path / "b" / "photos")
    said = sentence(imagecurator("run", one, two, tmp_path / "out", "-r", recipe), 3)
    assert str(one) in said
    assert str(two) in said
    assert "NAME=PATH" in said
    done = imagecurator("run", f"first={one}", f"second={two}", tmp_path / "out", "-r", recipe, "--json")
    assert done.returncode == 0, done.stderr
    assert '"inputs": 6' in done.stdout


def test_two_shards_of_one_stem(tmp_path, recipe):
    """`a.tar` beside `a.tar.gz` would share their ids; the error names both."""
    for name in ("a.tar", "a.tar.gz"):
        make_tar(tmp_path / "in" / name, [("x.txt", b"x")])
    said = sentence(imagecurator("run", tmp_path / "in", tmp_path / "out", "-r", recipe), 3)
    assert "a.tar and " in said
    assert "a.tar.gz" in said


def test_other_scores_of_a_finished_data_set(tmp_path, source, recipe):
    """What a finished data set was made of is changed by two options, and the first refusal names both."""
    assert imagecurator("run", source, tmp_path / "out", "-r", recipe).returncode == 0
    other = ("run", source, tmp_path / "out", "-r", recipe, "-s", "limits.pixels=50M")
    assert "pass --rescore --replace to compute these columns again" in sentence(imagecurator(*other), 4)
    assert "pass --rescore to compute" in sentence(imagecurator(*other, "--replace"), 4)
    assert imagecurator(*other, "--rescore", "--replace").returncode == 0


def test_other_scores_in_an_unfinished_run(tmp_path, source, recipe):
    """An unfinished run goes on with further scores; with other limits its stored scores are not taken for theirs."""
    out = tmp_path / "out"
    assert imagecurator("run", source, out, "-r", recipe).returncode == 0
    (out / "manifest.json").unlink()
    before = tree(out)
    said = sentence(imagecurator("run", source, out, "-r", recipe, "-s", "limits.pixels=50M"), 4)
    assert "stored scores were computed in another way: every column (limits.pixels: 100,000,000 → 50,000,000)" in said
    assert "--rescore" in said
    assert tree(out) == before
    more = imagecurator("run", source, out, "-r", recipe, "-s", "scores=[header, entropy]", "--json")
    assert more.returncode == 0, more.stderr
    again = imagecurator("run", source, tmp_path / "new", "-r", recipe, "-s", "scores=[header, entropy]")
    assert again.returncode == 0, again.stderr
    assert tree(out)["00000.parquet"] == tree(tmp_path / "new")["00000.parquet"]
    parts = {name: data for name, data in tree(out).items() if name.startswith("run/parts/")}
    assert parts == {name: tree(tmp_path / "new")[name] for name in parts}


def test_wrong_usage(tmp_path):
    """A missing argument and an unknown option are exit code 2."""
    assert imagecurator("run").returncode == 2
    assert imagecurator("run", tmp_path, tmp_path / "out", "--speed").returncode == 2
    assert imagecurator("fly").returncode == 2


def test_errors_leave_standard_output_empty(tmp_path):
    """With `--json`, an error leaves nothing on standard output that a machine could take for a result."""
    done = imagecurator("run", tmp_path / "none", tmp_path / "out", "--json")
    assert done.stdout == ""
    sentence(done, 3)


def test_closed_standard_output(tmp_path, source, recipe):
    """A reader that goes away (`| head`) gives no traceback, and the data set is there."""
    out = tmp_path / "out"
    with subprocess.Popen(
        command("run", source, out, "-r", recipe), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdout.close()
        said = running.stderr.read()
    assert "Traceback" not in said
    assert (out / "manifest.json").exists()
