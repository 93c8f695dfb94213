"""Options about images of elsewhere, `imagecurator leaks`, and `imagecurator decontaminate`."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile

import pyarrow.parquet as pq
import pytest
from tests.cli.kept import as_json
from tests.cli.processes import imagecurator, sentence, tree
from tests.pipeline.test_protect import large, smaller

from nemo_curator.testing import encoded, make_tar


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of photos with captions, the same in tars, and an evaluation set that shows two of them."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("in", "eval"):
        (folder / name).mkdir()
    members = []
    for seed in range(4):
        files = [(f"{seed}.jpg", encoded(large(seed), quality=95)), (f"{seed}.txt", f"caption {seed}".encode())]
        members += files
        for name, data in files:
            (folder / "in" / name).write_bytes(data)
    make_tar(folder / "in.tar", members)
    shutil.copy(folder / "in" / "1.jpg", folder / "eval" / "esc\x1b[31m.jpg")
    (folder / "eval" / "edit.png").write_bytes(encoded(smaller(large(2)), "PNG"))
    (folder / "eval" / "own.jpg").write_bytes(encoded(large(50)))
    return folder


def test_run_leaks_and_explain(made, tmp_path):
    """The option is announced and counted; leaks are listed from both ends; one image is explained."""
    done = imagecurator(
        *("run", made / "in", tmp_path / "out", "--scores", "hashes", "--copies", "31"),
        *("--protect", made / "eval", "-s", "rules={}"),
    )
    assert done.returncode == 0, done.stderr
    assert f"protect: what shows an image of eval={made}/eval (equal bytes, PDQ within 31 bits)" in done.stderr
    assert "protect: reading eval" in done.stderr
    assert "rejected: protect" in done.stdout
    assert "2 of the 3 images of the protect set eval are shown by 2 inputs" in done.stdout
    run = tmp_path / "out" / "run"
    listed = imagecurator("leaks", run)
    assert listed.stdout.startswith("2 images show 2 protected images\n")
    assert "\neval:edit.png is shown by 1 image:\n  2.jpg: copy, " in listed.stdout
    assert "\x1b" not in listed.stdout
    assert (
        "\n2.jpg shows 1 protected image:\n  eval:edit.png: copy, "
        in imagecurator("leaks", run, "--by", "image").stdout
    )
    assert "see --limit" in imagecurator("leaks", run, "--limit", "1").stdout
    assert imagecurator("leaks", run, "--by", "nothing").returncode == 2
    facts = as_json("leaks", run)
    assert (facts["images"], facts["protected"], facts["by"]) == (2, 2, "protected")
    assert pq.read_table(facts["file"]).column_names == ["image_id", "protected", "set", "kind", "distance"]
    explained = imagecurator("explain", run, "2.jpg").stdout
    assert "reject by protect: a protected image: its PDQ hash is" in explained
    assert "eval:edit.png" in explained
    status = imagecurator("status", run).stdout
    assert "are shown by 2 inputs" in status
    checked = imagecurator("verify", tmp_path / "out", "--run", run)
    assert checked.returncode == 0, checked.stderr
    facts = as_json("decide", run, "-s", "protect=[]")
    assert (facts["kept"], facts["funnel"]["leaks"]) == (4, {})
    assert "no protect set was looked at" in sentence(imagecurator("leaks", run), 3)


def test_growing_by_runs(made, tmp_path):
    """`--against` names what an earlier run kept; `diff` sees the change of verdicts."""
    common = ("--scores", "header", "-s", "rules={}")
    assert imagecurator("run", made / "in", tmp_path / "june", *common).returncode == 0
    shutil.copytree(made / "in", tmp_path / "more")
    (tmp_path / "more" / "9.jpg").write_bytes(encoded(large(9)))
    assert imagecurator("run", tmp_path / "more", tmp_path / "alone", *common).returncode == 0
    done = imagecurator("run", tmp_path / "more", tmp_path / "july", *common, "--against", tmp_path / "june" / "run")
    assert done.returncode == 0, done.stderr
    assert f"kept by june={tmp_path}/june/run" in done.stderr
    assert "4 duplicates of images that the earlier run june kept" in done.stdout
    assert pq.read_table(tmp_path / "july" / "00000.parquet")["image_id"].to_pylist() == ["9.jpg"]
    groups = as_json("duplicates", tmp_path / "july" / "run")
    assert {one["kept"] for one in groups["largest"]} == {f"june:{seed}.jpg" for seed in range(4)}
    changed = as_json("diff", tmp_path / "alone" / "run", tmp_path / "july" / "run")
    assert changed["changed"] == 4


def test_the_same_thing_said_twice(made):
    """An option and a setting of the same key are refused."""
    done = imagecurator("score", made / "in", made / "never", "--protect", made / "eval", "-s", "protect=[]")
    assert "--protect and --set protect=… say the same thing twice" in sentence(done, 5)


def test_leaks_of_a_data_set_are_found(made, tmp_path):
    """A data set is only looked at: its leaks are printed and written, the exit code says so, and nothing changes."""
    before = tree(made)
    file = tmp_path / "leaks.parquet"
    done = imagecurator("decontaminate", made / "in.tar", "--protect", made / "eval", "--leaks", file)
    assert (
        "2 of 4 images show some that are protected; write the data set without them with `--output DIR`"
        in sentence(done, 10)
    )
    assert done.stdout.startswith("2 images show 2 protected images\n  in/1 shows eval:esc\\x1b[31m.jpg: same_bytes\n")
    assert "\n  in/2 shows eval:edit.png: copy, " in done.stdout
    assert "pairs of" not in done.stdout
    assert pq.read_table(file)["image_id"].to_pylist() == ["in/1", "in/2"]
    assert tree(made) == before
    again = imagecurator("decontaminate", made / "in.tar", "--protect", made / "eval", "--leaks", file)
    assert "this exists already" in sentence(again, 4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.jpg").write_bytes(encoded(large(70)))
    clean = imagecurator("decontaminate", tmp_path / "other", "--protect", made / "eval", "--run", tmp_path / "run")
    assert (clean.returncode, clean.stdout.splitlines()[0]) == (0, "0 images show 0 protected images")
    assert (tmp_path / "run" / "run.json").exists()
    done = imagecurator(
        "decontaminate", made / "in", "--protect", made / "eval", "-s", "duplicates.copies=false", "--json"
    )
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["images"], facts["listed"][0]["ends"][0]["kind"]) == (10, 1, "same_bytes")


def test_many_leaks_are_a_few_lines(tmp_path):
    """Each leaking image is one line with the nearest that it shows, ten at most, however many pairs there are."""
    for name, quality in (("in", 90), ("eval", 60)):
        (tmp_path / name).mkdir()
        for number in range(12):
            image = encoded(large(7), quality=quality - number)
            (tmp_path / name / f"{number:02d}.jpg").write_bytes(image)
    (tmp_path / "eval" / "same.jpg").write_bytes((tmp_path / "in" / "03.jpg").read_bytes())
    command = ("decontaminate", tmp_path / "in", "--protect", tmp_path / "eval")
    done = imagecurator(*command)
    assert done.returncode == 10
    lines = done.stdout.splitlines()
    assert lines[0] == "12 images show 13 protected images"
    assert sum(" shows eval:" in line for line in lines) == 10
    assert "  03.jpg shows eval:same.jpg: same_bytes; and 12 more" in lines
    assert "  … and 2 more images; see --limit and --leaks" in lines
    assert len(lines) < 20
    run = tmp_path / "run"
    assert imagecurator(*command, "--run", run, "--limit", "1").stdout.count(" shows eval:") == 1
    assert "protect set" not in imagecurator("duplicates", run).stdout
    assert len(as_json("duplicates", run)["searched"]) == 1


@pytest.mark.parametrize("form", ["webdataset", "folder", "parquet"])
def test_a_delivered_data_set_is_written_without_them(made, tmp_path, form):
    """What stays leaves with its bytes, sidecars and keys, in the format that it came in; copies inside it stay too."""
    shutil.copytree(made / "in", tmp_path / "in")
    (tmp_path / "in" / "3-again.jpg").write_bytes(encoded(large(3), quality=40))
    common = ("--scores", "header", "-s", "rules={}", "-s", f"export.format={form}")
    assert imagecurator("run", tmp_path / "in", tmp_path / "out", *common).returncode == 0
    before = tree(tmp_path / "out")
    done = imagecurator("decontaminate", tmp_path / "out", "--protect", made / "eval", "--output", tmp_path / "clean")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path / "out") == before
    manifest = json.loads((tmp_path / "clean" / "manifest.json").read_text())
    assert (manifest["format"], manifest["samples"]) == (form, 3)
    if form == "webdataset":
        with tarfile.open(tmp_path / "clean" / "00000.tar") as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}
    elif form == "parquet":
        rows = pq.read_table(tmp_path / "clean" / "00000.parquet").to_pylist()
        files = {row["image"]["path"]: row["image"]["bytes"] for row in rows}
        files |= {one["name"]: one["bytes"] for row in rows for one in row["sidecars"]}
    else:
        files = {path.name: path.read_bytes() for path in (tmp_path / "clean" / "00000").iterdir()}
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir() if path.name[0] in "03"}
    assert {hashlib.sha256(one).hexdigest() for one in files.values()} == {
        hashlib.sha256(one).hexdigest() for one in wanted.values()
    }
    if form != "folder":
        assert files == wanted
    assert imagecurator("verify", tmp_path / "clean", "--run", tmp_path / "clean" / "run").returncode == 0
    again = imagecurator("decontaminate", tmp_path / "clean", "--protect", made / "eval")
    assert again.returncode == 0, again.stderr


def test_what_cannot_be_decontaminated(made, tmp_path):
    """A run directory, an output that holds something, and one inside the data set are refused."""
    assert imagecurator("score", made / "in", tmp_path / "run", "--scores", "header", "-s", "rules={}").returncode == 0
    done = imagecurator("decontaminate", tmp_path / "run", "--protect", made / "eval")
    assert "this is a run directory, and not a data set; decide it with" in sentence(done, 3)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    done = imagecurator("decontaminate", made / "in", "--protect", made / "eval", "--output", tmp_path / "full")
    assert "files that imagecurator did not put there" in sentence(done, 4)
    done = imagecurator("decontaminate", made / "in", "--protect", made / "eval", "--output", made / "in" / "clean")
    assert "lies inside the input" in sentence(done, 4)
    assert imagecurator("decontaminate", made / "in").returncode == 2


def test_mds_is_not_read_again(made, tmp_path):
    """A data set of MDS shards is refused as one to decontaminate, with the way out."""
    common = ("--scores", "header", "-s", "rules={}", "-s", "export.format=mds")
    assert imagecurator("run", made / "in", tmp_path / "out", *common).returncode == 0
    done = imagecurator("decontaminate", tmp_path / "out", "--protect", made / "eval")
    assert "MDS shards is written for training" in sentence(done, 3)
