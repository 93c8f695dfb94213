"""Where a run may write, and what it may remove: never a user's file."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.cli.processes import pictures, tree

from nemo_curator import storage
from nemo_curator.errors import InputError, OutputExistsError, StorageError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.output import claim_output, claim_run, remove_run
from nemo_curator.pipeline.places import plain_place, real_place
from nemo_curator.pipeline.shape import Shape
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState

RECIPE = Recipe(scores=["header"], rules={})
SHARDS = {
    "00000.tar": "theirs",
    "00000.parquet": "theirs",
    "manifest.json": "{}",
}


@pytest.fixture
def source(tmp_path):
    """A folder of three pictures."""
    return pictures(tmp_path / "photos")


def run(source, output, **settings):
    """Curate in this process."""
    return curate([str(source)], str(output), RECIPE, workers=0, **settings)


def fill(folder: Path, files: dict[str, str]) -> None:
    """Write some files of a user."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("name", SHARDS)
def test_shards_of_others_are_never_touched(tmp_path, source, name, replace):
    """Somebody's own `00000.tar` is neither deleted nor overwritten, with or without `replace`."""
    fill(tmp_path / "out", {name: SHARDS[name], "thesis.tex": "x"})
    with pytest.raises(OutputExistsError, match="did not put there"):
        run(source, tmp_path / "out", replace=replace)
    assert set(tree(tmp_path / "out")) == {name, "thesis.tex"}


def test_replace_writes_beside_files_of_others(tmp_path, source):
    """With `replace`, files of others whose names are not ours stay as they are, again and again."""
    theirs = {"thesis.tex": "x", "run/notes.txt": "y", "parts/a.parquet": "z", "0.tar": "w", "a/b/00000.tar": "v"}
    fill(tmp_path / "out", theirs)
    for _ in range(2):
        run(source, tmp_path / "out", replace=True)
        there = tree(tmp_path / "out")
        assert {name: there[name].decode() for name in theirs} == theirs
        assert "00000.tar" in there


def test_replace_removes_all_that_is_ours(tmp_path, source):
    """With `replace` nothing of an earlier, larger result is left."""
    out = tmp_path / "out"
    curate([str(source)], str(out), Recipe(scores=["header"], rules={}, export={"shard_size": 1}), workers=0)
    assert (out / "00002.tar").exists()
    run(source, out, replace=True)
    assert sorted(path.name for path in out.glob("0*")) == ["00000.parquet", "00000.tar"]
    assert len(list((out / "run" / "parts").iterdir())) == 1


def test_result_whose_run_was_deleted_can_be_replaced(tmp_path, source):
    """A data set is known by its manifest when its run directory is gone; what the manifest does not list stays."""
    out = tmp_path / "out"
    run(source, out, run_dir=str(tmp_path / "run"))
    for path in sorted((tmp_path / "run").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(OutputExistsError, match="finished data set"):
        run(source, out, run_dir=str(tmp_path / "run"))
    fill(out, {"00007.tar": "theirs"})
    with pytest.raises(OutputExistsError, match=r"would overwrite, such as '00007\.tar'"):
        run(source, out, run_dir=str(tmp_path / "run"), replace=True)
    assert (out / "00007.tar").read_text() == "theirs"


def test_hostile_manifest_removes_nothing_outside(tmp_path, source):
    """A forged manifest cannot make `replace` delete files outside of the output."""
    fill(tmp_path, {"precious.txt": "x"})
    forged = {"manifest": "imagecurator-manifest-1", "files": [{"name": "../precious.txt"}, {"name": str(source)}]}
    fill(tmp_path / "out", {"manifest.json": json.dumps(forged)})
    run(source, tmp_path / "out", replace=True)
    assert (tmp_path / "precious.txt").read_text() == "x"
    assert len(tree(source)) == 3


def test_run_directory_of_somebody_else(tmp_path, source):
    """A folder given as run directory is not taken over: its files stay, and a name of ours in it is refused."""
    theirs = tmp_path / "project"
    fill(theirs, {"parts/0123456789abcdef.parquet": "x", "report.html": "y"})
    for replace in (False, True):
        with pytest.raises(OutputExistsError, match="did not put there"):
            run(source, tmp_path / "out", run_dir=str(theirs), replace=replace)
    assert len(tree(theirs)) == 2
    assert not (tmp_path / "out").exists()


def test_run_directory_elsewhere(tmp_path, source):
    """A run directory elsewhere serves again for the same output, and does not make another output ours."""
    run(source, tmp_path / "out", run_dir=str(tmp_path / "run"))
    assert sorted(tree(tmp_path / "out")) == ["00000.parquet", "00000.tar", "manifest.json"]
    (tmp_path / "out" / "manifest.json").unlink()
    run(source, tmp_path / "out", run_dir=str(tmp_path / "run"))
    fill(tmp_path / "other", {"00000.tar": "theirs"})
    with pytest.raises(OutputExistsError, match=r"did not put there, such as '00000\.tar'"):
        run(source, tmp_path / "other", run_dir=str(tmp_path / "run"))
    assert (tmp_path / "other" / "00000.tar").read_text() == "theirs"


@pytest.mark.parametrize("inner", ["", "run", "a/b"])
def test_run_directory_inside_the_input(tmp_path, source, inner):
    """A run directory in the input would be read as input by the next run; it is refused."""
    with pytest.raises(OutputExistsError, match="run directory"):
        run(source, tmp_path / "out", run_dir=str(source / inner))
    assert len(tree(tmp_path)) == 3


def test_run_directory_is_the_output(tmp_path, source):
    """Output and run directory need two places."""
    with pytest.raises(OutputExistsError, match="the same place"):
        run(source, tmp_path / "out", run_dir=f"{tmp_path}/x/../out/")


@pytest.mark.parametrize("spelled", ["out/", "./out//", "../{here}/out", "photos/../out", "link"])
def test_spellings_of_one_output(tmp_path, source, monkeypatch, spelled):
    """Slashes at the end, relative paths, `..` and links lead to the same place, where an unfinished run goes on."""
    monkeypatch.chdir(tmp_path)
    run(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    (tmp_path / "link").symlink_to("out")
    run(source, spelled.format(here=tmp_path.name))
    after = tree(tmp_path / "out")
    assert {name: data for name, data in after.items() if "run/" not in name} == {
        name: data for name, data in before.items() if "run/" not in name
    }


@pytest.mark.parametrize("given", ["photos", "./photos/", "x/../photos", "../{here}/photos"])
def test_spellings_of_one_input(tmp_path, source, monkeypatch, given):
    """Ids and bytes do not depend on how the input is spelled."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    run(source, "plain")
    run(given.format(here=tmp_path.name), "out")
    assert (tmp_path / "out" / "00000.tar").read_bytes() == (tmp_path / "plain" / "00000.tar").read_bytes()
    assert (tmp_path / "out" / "00000.parquet").read_bytes() == (tmp_path / "plain" / "00000.parquet").read_bytes()


def test_leftovers_before_the_first_file(tmp_path, source):
    """A run that was killed before its first file got its name left only temporary files; they do not block it."""
    fill(tmp_path / "out", {"run/run.json.tmp-0123456789ab": "half", "00000.tar.tmp-0123456789ab": "half"})
    run(source, tmp_path / "out")
    assert not [name for name in tree(tmp_path / "out") if ".tmp-" in name]


def test_removal_that_was_cut_short_goes_on(tmp_path, source, monkeypatch):
    """Whenever a removal is interrupted, the next one finishes it, and the rest is never taken for whole."""
    out = tmp_path / "out"
    run(source, out)
    whole, removed = tree(out), storage.remove
    for allowed in range(len(whole)):
        for name, data in whole.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
        count = iter(range(allowed))

        def remove(url, count=count):
            if next(count, None) is None:
                raise StorageError("cut short", where=url)
            removed(url)

        monkeypatch.setattr(storage, "remove", remove)
        with pytest.raises(StorageError, match="cut short"):
            remove_all(str(out))
        monkeypatch.setattr(storage, "remove", removed)
        assert allowed == 0 or not (out / "manifest.json").exists()
        remove_all(str(out))
        assert tree(out) == {}


def remove_all(out: str) -> None:
    """Remove a data set and its run, as `--replace` does with those of another input."""
    place = RunDirectory(f"{out}/run")
    claim_run(place, out, replace=True)
    claim_output(out, place, Shape("webdataset", {"": None}), replace=True)
    remove_run(place, out)


def test_unfinished_result_of_another_input_is_replaced(tmp_path, source):
    """Shards of an export that was cut short, of a run of other files, are ours to replace: their run says so."""
    out = tmp_path / "out"
    run(source, out)
    (out / "manifest.json").unlink()
    other = pictures(tmp_path / "other" / "below", 2).parent
    with pytest.raises(OutputExistsError, match="this run is of another input"):
        run(other, out)
    with pytest.raises(OutputExistsError, match="this run is of another input"):
        run(other, out, replace=True)  # a mistyped input must not cost all scores
    run(other, out, replace=True, rescore=True)
    assert json.loads((out / "manifest.json").read_text())["samples"] == 2
    assert len(list((out / "run" / "parts").iterdir())) == 1


def test_places():
    """Slashes at the end go, a bare slash stays, and URLs are left as they are."""
    assert [plain_place(place) for place in ("a", "a/", "a//", "/", "s3://b/c/")] == ["a", "a", "a", "/", "s3://b/c"]
    assert real_place("s3://b/../c/") == "s3://b/../c"
    assert real_place("file:///tmp/../etc") == "/etc"


THEIRS = {
    "eval/20240101.tar": "theirs",  # looks like a shard, and is named by nobody
    "train/00000.tar": "theirs",  # would be one of a split, which the recipe has not
    "20240102/x.txt": "theirs",
}


@pytest.mark.parametrize("finished", [False, True])
def test_what_looks_like_a_shard_is_not_ours(tmp_path, source, finished):
    """Beside a data set, and beside an unfinished one, files that only look like shards stay, with `replace` too."""
    out = tmp_path / "out"
    run(source, out)
    if not finished:
        unfinished(out)
    fill(out, THEIRS)
    (tmp_path / "elsewhere" / "00000").mkdir(parents=True)
    (tmp_path / "elsewhere" / "00000" / "x.txt").write_text("theirs")
    (out / "link").symlink_to(tmp_path / "elsewhere")
    run(source, out, replace=True)
    assert {name: (out / name).read_text() for name in THEIRS} == THEIRS
    assert (tmp_path / "elsewhere" / "00000" / "x.txt").read_text() == "theirs"
    assert (out / "manifest.json").exists()


def test_a_tar_that_took_the_place_of_ours_is_not_overwritten(tmp_path, source):
    """After a data set was taken away, a file of the same name is somebody's."""
    out = tmp_path / "out"
    run(source, out)
    for path in [out / "manifest.json", out / "00000.parquet", out / "00000.tar"]:
        path.unlink()
    (out / "00000.tar").write_text("mine")
    for replace in (False, True):
        with pytest.raises(OutputExistsError, match="did not put there"):
            run(source, out, replace=replace)
        assert (out / "00000.tar").read_text() == "mine"


def test_notes_beside_an_unfinished_data_set(tmp_path, source):
    """An interrupted export goes on although somebody put a note beside it."""
    out = tmp_path / "out"
    run(source, out)
    unfinished(out)
    (out / "notes.txt").write_text("x")
    before = (out / "00000.tar").stat().st_ino
    run(source, out)
    assert (out / "notes.txt").read_text() == "x"
    assert (out / "00000.tar").stat().st_ino == before


def test_replacing_that_was_cut_short_goes_on(tmp_path, source):
    """A data set whose replacement was killed behind the removal of its manifest is still known as ours."""
    out = tmp_path / "out"
    run(source, out)
    for number in range(3):
        (source / f"more-{number}.jpg").write_bytes((source / "000.jpg").read_bytes() + bytes([number]))
    changed = Recipe(scores=["header"], rules={}, export={"shard_size": 1})
    state = RunState.require(RunDirectory(str(out / "run")))
    state.exporting(
        real_place(str(out)), [{"format": "webdataset", "shards": {"": 6}}, {"format": "webdataset", "shards": {"": 1}}]
    )
    state.write()
    (out / "manifest.json").unlink()
    curate([str(source)], str(out), changed, workers=0)
    assert json.loads((out / "manifest.json").read_text())["samples"] == 6


def test_a_data_set_stays_for_as_long_as_it_cannot_be_replaced(tmp_path, source):
    """Where a source is gone, `replace` is refused before anything of the data set that is there is removed."""
    out = tmp_path / "out"
    run(source, out)
    before = {name: data for name, data in tree(out).items() if "/" not in name}
    (source / "000.jpg").unlink()
    with pytest.raises(InputError, match="not what was scored"):
        run(source, out, replace=True)
    assert {name: data for name, data in tree(out).items() if "/" not in name} == before


def test_a_second_input_beside_the_first(tmp_path, source):
    """An input that gets company keeps its scores and ids; the new one is scored beside it."""
    out = tmp_path / "out"
    run(source, out)
    part = next((out / "run" / "parts").iterdir())
    written = part.stat().st_mtime_ns
    other = pictures(tmp_path / "second", 2)
    curate([str(source), str(other)], str(out), RECIPE, workers=0, replace=True)
    assert part.stat().st_mtime_ns == written
    ids = pq.read_table(out / "run" / "decisions.parquet")["image_id"].to_pylist()
    assert ids == ["000.jpg", "001.jpg", "002.jpg", "second/000.jpg", "second/001.jpg"]


def unfinished(out: Path, form: str = "webdataset") -> None:
    """Make a finished data set look as if its export had been killed before the manifest."""
    state = RunState.require(RunDirectory(str(out / "run")))
    state.exporting(real_place(str(out)), [{"format": form, "shards": {"": 1}}])
    state.write()
    (out / "manifest.json").unlink()
