"""`imagecurator embed`."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.cli.kept import ODD, as_json, make_source
from tests.cli.processes import imagecurator, pictures, sentence, tree

from nemo_curator import storage
from nemo_curator.models import registry

MAY_DIFFER = {"run/run.json", "run/partitions.parquet"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An input, and its embeddings in both forms."""
    folder = tmp_path_factory.mktemp("embed")
    make_source(folder / "in")
    done = imagecurator("embed", folder / "in", folder / "out", "--format", "npy", "--format", "parquet")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def place(made, tmp_path):
    """A copy of one's own, as its user's copy would be."""
    shutil.copytree(made / "in", tmp_path / "in", copy_function=shutil.copy2)
    shutil.copytree(made / "out", tmp_path / "out", copy_function=shutil.copy2)
    return tmp_path


def results(output):
    """What must be the same bytes whoever computes it, wherever it lies."""
    return {name: data for name, data in tree(output).items() if name not in MAY_DIFFER}


BOTH = ("--format", "parquet", "--format", "npy")


def test_what_is_written(made):
    """Ids, facts and numbers of every readable image in source order, those that cannot be read, and a manifest."""
    out = made / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "embeddings.json", "embeddings.npy", "embeddings.parquet", "ids.parquet", "run", "unreadable.parquet"
    ]  # fmt: skip
    table = pq.read_table(out / "embeddings.parquet")
    assert table["image_id"].to_pylist() == [
        "000.jpg", "001.jpg", "002.jpg", "copy.jpg", ODD, "tiny.jpg", "shard/a", "shard/b"
    ]  # fmt: skip
    rows = np.load(out / "embeddings.npy", mmap_mode="r")
    assert (rows.shape, rows.dtype) == ((8, 1280), np.float16)
    assert np.allclose(np.linalg.norm(rows.astype(np.float32), axis=1), 1, atol=1e-3)
    assert np.array_equal(np.array(table["embedding"].to_pylist(), np.float16), rows)
    assert np.array_equal(rows[0], rows[3])
    manifest = json.loads((out / "embeddings.json").read_text())
    assert (manifest["model"], manifest["dimension"], manifest["images"]) == ("efficientnet-lite0", 1280, 8)
    assert manifest["unreadable"] == {"decode_failed": 1}
    assert manifest["computed"]["model"]["weights"] == registry.get_spec("efficientnet-lite0").sha256
    assert {one["name"]: one["bytes"] for one in manifest["files"]} == {
        name: (out / name).stat().st_size
        for name in ("embeddings.parquet", "embeddings.npy", "ids.parquet", "unreadable.parquet")
    }
    assert pq.read_table(out / "unreadable.parquet")["image_id"].to_pylist() == ["cut.jpg"]


def test_nothing_says_where_and_when(made):
    """No file but `run.json` and the list of partitions holds a path of this machine."""
    here = os.fsencode(made)
    assert [name for name, data in results(made / "out").items() if here in data] == []


def test_what_is_said(made, tmp_path):
    """The summary names counts, reasons and files; machines get the same as JSON."""
    done = imagecurator("embed", made / "in", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "embedded:   8 images by efficientnet-lite0, 1,280 numbers each; 2 of 2 partitions just now" in done.stdout
    assert "unreadable: 1 input (decode_failed 1), see unreadable.parquet" in done.stdout
    assert "files:      embeddings.parquet, unreadable.parquet (" in done.stdout
    facts = as_json("embed", made / "in", tmp_path / "out")
    assert (facts["images"], facts["written"], facts["partitions_computed"]) == (8, False, 0)
    assert facts["unreadable"] == {"decode_failed": 1}


def test_it_speaks_of_embeddings_alone(made, tmp_path):
    """It keeps, rejects and exports nothing, and its progress does not say that it does."""
    done = imagecurator("embed", made / "in", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^embed: 9 images in \d\d:\d\d, [\d,]+ images/s; so far readable 8, unreadable 1$", done.stderr, re.MULTILINE
    )
    assert "\nwrite: 8 embeddings\n" in done.stderr
    for word in ("kept", "export", "samples", "score:"):
        assert word not in done.stderr


def test_workers_change_no_byte(made, tmp_path):
    """Two worker processes write what no worker process wrote."""
    done = imagecurator("embed", made / "in", tmp_path / "out", *BOTH, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert results(tmp_path / "out") == results(made / "out")


def test_again_is_nothing_to_do(place):
    """The same command finds all of it there, and touches nothing."""
    before = {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*")}
    done = imagecurator("embed", place / "in", place / "out", *BOTH)
    assert done.returncode == 0, done.stderr
    assert "all of which were there already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (place / "out").rglob("*")} == before


def test_other_settings_need_to_be_told(place):
    """Another form, type or size of files replaces the earlier ones only when told, and computes nothing."""
    before = tree(place / "out")
    for other in (["--dtype", "float32"], ["--format", "npy"], ["--rows-per-file", "3"]):
        said = sentence(imagecurator("embed", place / "in", place / "out", *other), 4)
        assert "finished embeddings, and they would be other ones now" in said
        assert tree(place / "out") == before
    facts = as_json("embed", place / "in", place / "out", "--replace", "--rows-per-file", "3", "--dtype", "float32")
    assert facts["partitions_computed"] == 0
    assert [one["name"] for one in facts["files"]] == [
        *(f"embeddings-{at:05d}-of-00003.parquet" for at in range(3)), "unreadable.parquet"
    ]  # fmt: skip
    assert sorted(path.name for path in (place / "out").glob("embeddings*")) == [
        *(f"embeddings-{at:05d}-of-00003.parquet" for at in range(3)), "embeddings.json"
    ]  # fmt: skip
    assert imagecurator("embed", place / "in", place / "out", "--replace", *BOTH).returncode == 0
    assert results(place / "out") == {name: data for name, data in before.items() if name not in MAY_DIFFER}


def test_growth(place):
    """New images are embedded and come behind the others, when the earlier result may be replaced."""
    (place / "in" / "later.jpg").write_bytes((place / "in" / "002.jpg").read_bytes())
    said = sentence(imagecurator("embed", place / "in", place / "out", *BOTH), 4)
    assert "there is more to embed since" in said
    facts = as_json("embed", place / "in", place / "out", *BOTH, "--replace")
    assert (facts["images"], facts["partitions_computed"]) == (9, 1)
    ids = pq.read_table(place / "out" / "ids.parquet")["image_id"].to_pylist()
    assert ids[-1] == "later.jpg"


def test_changed_images_and_another_way(place):
    """Other limits are refused without --rescore; changed files are embedded again with it."""
    (place / "in" / "001.jpg").write_bytes((place / "in" / "002.jpg").read_bytes())
    other = ("embed", place / "in", place / "out", *BOTH, "-s", "limits.pixels=50")
    said = sentence(imagecurator(*other), 4)
    assert "stored scores were computed in another way" in said
    assert "pass --rescore --replace to compute these columns again" in said  # both at once, not one after the other
    assert "--replace" not in sentence(imagecurator(*other, "--replace"), 4)
    facts = as_json("embed", place / "in", place / "out", *BOTH, "--rescore", "--replace")
    assert facts["partitions_computed"] == 1
    rows = np.load(place / "out" / "embeddings.npy")
    assert np.array_equal(rows[1], rows[2])
    assert as_json(*other, "--rescore", "--replace")["unreadable"] == {"over_limit": 9}
    assert np.load(place / "out" / "embeddings.npy").shape == (0, 1280)


def test_a_file_that_is_gone_is_written_again(place):
    """Of a result that lost a file all are written again, without being told to replace anything."""
    before = results(place / "out")
    (place / "out" / "ids.parquet").unlink()
    assert as_json("embed", place / "in", place / "out", *BOTH)["written"]
    assert results(place / "out") == before


def test_what_was_left_half_done(place):
    """Without a manifest, files of other settings and unfinished ones of this command go; a user's notes stay."""
    out = place / "out"
    (out / "embeddings.json").unlink()
    (out / "embeddings-00001-of-00002.npy").write_bytes(b"of other settings")
    (out / "ids.parquet.tmp-0123456789ab").write_bytes(b"half")
    (out / "notes.txt").write_text("mine")
    (out / "mine.npy").write_bytes(b"mine")
    assert imagecurator("embed", place / "in", out, "--format", "npy").returncode == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "embeddings.json", "embeddings.npy", "ids.parquet", "mine.npy", "notes.txt", "run", "unreadable.parquet"
    ]  # fmt: skip


def test_another_input(place):
    """Embeddings of another input are refused, and start anew when that is said."""
    pictures(place / "other" / "below", 2)
    command = ("embed", place / "other", place / "out", *BOTH)
    before = tree(place / "out")
    for said in ([], ["--replace"], ["--rescore"]):
        assert "of another input" in sentence(imagecurator(*command, *said), 4)
        assert tree(place / "out") == before
    assert as_json(*command, "--replace", "--rescore")["images"] == 2
    assert not (place / "out" / "unreadable.parquet").exists()


def test_dry_run(place):
    """A dry run says what would be computed, and writes nothing."""
    before = tree(place)
    assert as_json("embed", place / "in", place / "new", "--dry-run")["to_score"] == 2
    done = imagecurator("embed", place / "in", place / "out", *BOTH, "--dry-run")
    assert "7 images, 1 shard in 2 partitions: 2 scored already, 0 to do" in done.stdout
    assert tree(place) == before


def test_the_run_inside_is_a_run(place):
    """`status`, `explain` and `decide` know it, and the embeddings still stand after a decision."""
    run = place / "out" / "run"
    assert as_json("status", run)["records"] == 9
    assert "decode_failed" in imagecurator("explain", run, "cut.jpg").stdout
    assert imagecurator("decide", run).returncode == 0
    assert not as_json("embed", place / "in", place / "out", *BOTH)["written"]
    assert as_json("status", run)["decided"]


def test_a_run_of_another_command_is_left_alone(place):
    """Verdicts and recipe of a run that `run` made are not undone."""
    (place / "cheap.yaml").write_text("scores: [header]\n")
    assert imagecurator("run", place / "in", place / "set", "-r", place / "cheap.yaml").returncode == 0
    before = tree(place)
    for more in ([], ["--replace"], ["--replace", "--rescore"]):
        said = sentence(imagecurator("embed", place / "in", place / "set", *more), 4)
        assert "a run of another command" in said
        assert tree(place) == before


def test_one_at_a_time(place):
    """While somebody is at work there, nobody else writes."""
    with storage.locked(str(place / "out" / "run")):
        said = sentence(imagecurator("embed", place / "in", place / "out", *BOTH, "--replace"), 4)
    assert "another imagecurator is at work here" in said


def test_mistakes(place):
    """Each mistake is one sentence with its exit code, told before anything is written."""
    (place / "full").mkdir()
    (place / "full" / "embeddings.npy").write_bytes(b"mine")
    (place / "notes").mkdir()
    (place / "notes" / "thesis.tex").write_text("x")
    before = tree(place)
    given = place / "in"
    for arguments, code, words in [
        ((place / "nowhere", place / "new"), 3, "there is nothing at this path"),
        ((given, given / "below"), 4, "lies inside the input"),
        ((given, place / "full"), 4, "did not put there, such as 'embeddings.npy'"),
        ((given, place / "full", "--replace"), 4, "would overwrite, such as 'embeddings.npy'"),
        ((given, place / "notes"), 4, "did not put there, such as 'thesis.tex'"),
        ((given, place / "in" / "tiny.jpg"), 4, "input"),
        ((given, place / "new", "--model", "eficientnet-lite0"), 6, "did you mean 'efficientnet-lite0'?"),
        ((given, place / "new", "--model", "open-nsfw"), 6, "gives a score (nsfw), not embeddings"),
        ((given, place / "new", "--model", "clip-vit-base-patch32"), 6, "no model_dir was given"),
        (
            (given, place / "new", "--model", "clip-vit-base-patch32", "--model-dir", place),
            6,
            "files are missing",
        ),
        ((given, place / "new", "-s", "rules.x=true"), 5, "has no say in how images are embedded"),
        ((given, place / "new", "-s", "limits.pixel=1"), 5, "did you mean 'pixels'?"),
        ((given, place / "new", "-s", "decode"), 5, "this is not KEY=VALUE"),
    ]:
        assert words in sentence(imagecurator("embed", *arguments), code), arguments
        assert tree(place) == before, arguments
    assert imagecurator("embed", given, place / "new", "--format", "csv").returncode == 2


def test_beside_files_of_others(place):
    """With --replace it writes beside files of others whose names it does not take."""
    (place / "notes").mkdir()
    (place / "notes" / "thesis.tex").write_text("x")
    assert imagecurator("embed", place / "in", place / "notes", "--replace").returncode == 0
    assert (place / "notes" / "thesis.tex").read_text() == "x"
    assert (place / "notes" / "embeddings.parquet").exists()
