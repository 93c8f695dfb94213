"""`imagecurator export` that makes images smaller, and the card beside it, as a user types them."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from nemo_curator.cli.app import app
from nemo_curator.testing import encoded, make_tar, photo

RUN = ["--scores", "header", "--set", "rules={}", "--workers", "0"]


def command(*arguments):
    """Runs a command; returns what came of it."""
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A decided run over six pictures, one of which is torn behind its header."""
    folder = tmp_path_factory.mktemp("made")
    members = [(f"{n}.jpg", encoded(photo(n, 120, 80))[: 1500 if n == 3 else None]) for n in range(6)]
    make_tar(folder / "in" / "a.tar", members)
    assert command("score", folder / "in", folder / "run", *RUN[:4], "--workers", "0").exit_code == 0
    assert command("decide", folder / "run").exit_code == 0
    return folder / "run"


def test_the_sums_of_an_export_are_those_of_verify(run, tmp_path):
    """`export` and `verify` tell the same size; nothing is told of others where every image was made anew."""
    done = command("export", run, tmp_path / "out", "--encode", "webp")
    assert done.exit_code == 0
    told = done.stdout.splitlines()[0]
    assert told.startswith("5 samples, ")
    assert told.endswith(", in 1 shard")
    size = told.removeprefix("5 samples, ").removesuffix(", in 1 shard")
    assert size.endswith(" kB")
    assert f"5 samples in 1 shard checked, {size}" in command("verify", tmp_path / "out", "--run", run).stdout
    assert "5 images made anew\n" in done.stdout
    mixed = command("export", run, tmp_path / "mixed", "--longest", "100", "--format", "folder")
    assert ", in 1 shard" in mixed.stdout.splitlines()[0]
    assert "5 images made anew\n" in mixed.stdout


def test_smaller_images(run, tmp_path):
    """Sizes and formats are those of the options, and what could not be made is told."""
    options = ["--longest", 48, "--encode", "webp", "--quality", 70, "--workers", 2]
    done = command("export", run, tmp_path / "out", *options, "--json")
    facts = json.loads(done.stdout)
    assert (facts["samples"], facts["rendered"], [one["image_id"] for one in facts["failed"]]) == (5, 5, ["a/3"])
    rows = pq.read_table(tmp_path / "out" / "00000.parquet").to_pylist()
    assert {(one["delivered_format"], one["delivered_width"], one["delivered_height"]) for one in rows} == {
        ("webp", 48, 32)
    }
    done = command("verify", tmp_path / "out", "--run", run)
    assert done.exit_code == 0
    assert "0 of them still hold the bytes that their sources hold" in done.stdout
    assert "5 were made anew, of sources that are unchanged, whose sidecars they still hold" in done.stdout
    again = command("export", run, tmp_path / "out", *options)
    assert "all of which were there already" in again.stdout


def test_what_is_made_anew_is_told_from_what_keeps_its_bytes(tmp_path):
    """`verify` counts both, and of a source that changed since says neither."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, width in enumerate((40, 120, 120)):
        (folder / f"{number}.jpg").write_bytes(encoded(photo(number, width, 40)))
        (folder / f"{number}.txt").write_text(f"photo {number}")
    assert command("run", folder, tmp_path / "whole", *RUN).exit_code == 0
    assert command("export", tmp_path / "whole", tmp_path / "out", "--longest", 50).exit_code == 0
    facts = json.loads(command("verify", tmp_path / "out", "--run", tmp_path / "whole", "--json").stdout)
    assert (facts["samples"], facts["compared"], facts["rendered"]) == (3, 3, 2)
    (folder / "1.txt").write_text("another caption")
    done = command("verify", tmp_path / "out", "--run", tmp_path / "whole")
    assert "1 of them still hold the bytes that their sources hold\n1 were made anew" in done.stdout
    assert "source: 1.jpg: at its source" in done.stdout


def test_in_words(run, tmp_path):
    """Without `--json` the same is said in sentences."""
    done = command("export", run, tmp_path / "out", "--shortest", 40)
    assert "5 images made anew" in done.stdout
    assert "could not be encoded anew: 1 kept sample" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--longest", "5", "--shortest", "5"], "one of --longest and --shortest"),
        (["--quality", "50"], "`encode` changes nothing so"),
        (["--longest", "70000"], "65535"),
        (["--set", "export.resize={}"], "longest"),
    ],
)
def test_mistakes(run, tmp_path, options, said):
    """What makes no sense is refused in a sentence, before anything is written."""
    done = command("export", run, tmp_path / "out", *options)
    assert done.exit_code == 5
    assert said in done.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()


def test_a_card(run, tmp_path):
    """A card is written beside a data set, also later, and never over somebody's own."""
    assert command("export", run, tmp_path / "out").exit_code == 0
    assert not (tmp_path / "out" / "README.md").exists()
    assert command("export", run, tmp_path / "out", "--card").exit_code == 0
    assert "6 samples" in (tmp_path / "out" / "README.md").read_text()
    assert command("export", run, tmp_path / "out", "--card").exit_code == 0
    assert command("verify", tmp_path / "out").exit_code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    refused = command("export", run, tmp_path / "mine", "--card", "--replace")
    assert (refused.exit_code, (tmp_path / "mine" / "README.md").read_text()) == (4, "mine")
    assert not (tmp_path / "mine" / "00000.tar").exists()


def test_a_card_goes_with_its_data_set(run, tmp_path):
    """Replacing a data set takes its documents away; an edited card stays."""
    command("export", run, tmp_path / "out", "--card")
    assert command("export", run, tmp_path / "out", "--format", "parquet", "--replace").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.parquet", "manifest.json"]
