"""`imagecurator plan`: a recipe explained before there is any input."""

from __future__ import annotations

import json
import os

import pytest
from tests.cli.processes import imagecurator, process, tree

from nemo_curator.testing import encoded, make_tar, photo

LAZY = ("-s", "lazy=true", "-s", "rules.dull=entropy < 2")


def test_the_default_recipe_is_explained():
    """Stages stand by cost, each with what it needs and where it runs; views stand once, with all that share them."""
    said = imagecurator("plan").stdout
    assert said.index("\nheader:") < said.index("\nstatistics:") < said.index("\nmodels,")
    assert "  long side 256 at most, box  (sharpness, exposure, entropy)" in said
    assert "    lazy    would be skipped for what small rejects" in said
    assert "`--set lazy=true` skips as said" in said


def test_a_lazy_recipe_says_by_which_rules_and_why_not_by_more():
    """A rule behind one that reads a score cannot skip that score, and the plan says which one stands in the way."""
    said = imagecurator("plan", *LAZY).stdout
    assert "is skipped for what small rejects (no more: the rule nsfw reads it, and stands before dull)" in said
    assert "is skipped for what small or dull rejects" in said
    assert "never skipped: nothing is cheaper" in said


def test_machines_get_the_same():
    """`--json` has the stages with their rules, the views, and whether the recipe is lazy."""
    facts = json.loads(imagecurator("plan", *LAZY, "--json").stdout)
    stages = {one["name"]: one for one in facts["stages"]}
    assert facts["lazy"] is True
    assert stages["embedding"]["skipped_by"] == ["small", "dull"]
    assert stages["nsfw"]["runs"] == "decode workers"
    assert set(facts["views"]) == {view for one in facts["stages"] for view in one["views"]}


def test_headers_alone_decode_nothing():
    """Where no score looks at pixels, the plan says that nothing is decoded, and that there is nothing to skip."""
    said = imagecurator("plan", "--scores", "header", "-s", "rules={}").stdout
    assert "decoded not at all" in said
    assert "`lazy: true` would skip nothing" in said


def test_a_mistake_is_told():
    """A rule over a column that no score gives is the error that `run` would tell."""
    done = imagecurator("plan", "-s", "rules.x=nothing > 1")
    assert done.returncode == 5
    assert "there is no column 'nothing'" in done.stderr


CHEAP = ("--scores", "header,entropy", "-s", "rules={small: 'least(width, height) < 73'}")


@pytest.fixture
def mixed(tmp_path):
    """Thirty loose pictures, one in five of them large and kept, and two shards of twenty large ones with captions."""
    for number in range(30):
        size = (200, 200) if number % 5 == 0 else (64, 48)
        (tmp_path / "in" / "loose").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "loose" / f"{number}.jpg").write_bytes(encoded(photo(number, *size)))
    for shard in range(2):
        members = [(f"{one}.jpg", encoded(photo(100 * shard + one, 200, 200))) for one in range(20)]
        captions = [(f"{one}.txt", b"a caption") for one in range(20)]
        make_tar(tmp_path / "in" / f"{shard}.tar", sorted(members + captions))
    return tmp_path / "in"


def test_the_progress_of_a_sample_counts_what_cannot_be_read(mixed):
    """What is broken is told as unreadable while it is sampled, as in the estimate below."""
    for number in range(3):
        (mixed / f"broken-{number}.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    done = imagecurator("plan", mixed, *CHEAP, "--sample", "200", "-w", "0")
    assert "so far readable 70, unreadable 3" in done.stderr
    assert "; of the sample, rejected: small 32.9%; quarantined: decode_failed 4.1%\n" in done.stdout


def test_the_estimate_comes_first_and_says_no_more_than_it_is(mixed):
    """First; nothing of ranges where all was looked at, nor of shards where none is; why on one worker."""
    for shard in range(2):
        (mixed / f"{shard}.tar").unlink()
    said = imagecurator("plan", mixed, *CHEAP, "--sample", "200", "-w", "2").stdout
    assert said.startswith("From a sample of 30 of 30 inputs")
    assert "\n\nEach image is read once" in said
    assert "Ranges" not in said
    assert " on 1 worker, because there is one partition\n" in said
    assert "Here, with input enough, that runs\n  on 2 workers" in said
    said = imagecurator("plan", mixed, *CHEAP, "--sample", "10", "-w", "2").stdout
    assert "Ranges say how far off" in said
    assert "shards" not in said.partition("\n\n")[0]
    assert " %" not in said


def test_a_sample_says_what_all_of_it_comes_to(mixed):
    """From all inputs the estimate is exact where it can be; the stages, workers and shares are those of a run."""
    facts = json.loads(imagecurator("plan", mixed, *CHEAP, "--sample", "200", "-w", "0", "--json").stdout)["estimate"]
    assert (facts["sampled"], facts["shards"], facts["shards_opened"], facts["workers"]) == (70, 2, 2, 0)
    assert facts["records"] == {"value": 70.0, "low": 70.0, "high": 70.0}
    assert facts["kept"] == {"value": 46.0, "low": 46.0, "high": 46.0}
    assert facts["kept_share"]["value"] == pytest.approx(46 / 70)
    assert facts["rejected"] == {"small": 24}
    assert set(facts["stages"]) == {"image_reader", "header", "entropy", "part_writer"}
    assert sum(facts["stages"].values()) == pytest.approx(1)
    assert facts["seconds"]["value"] * facts["images_per_second"]["value"] == pytest.approx(70)


def test_the_estimate_is_near_what_a_run_gives(mixed, tmp_path):
    """From a part of the inputs, the ranges hold the numbers of inputs and kept images, and the bytes written."""
    arguments = [*CHEAP, "-s", "duplicates.bytes=false"]
    facts = json.loads(imagecurator("plan", mixed, *arguments, "--sample", "30", "-w", "0", "--json").stdout)[
        "estimate"
    ]
    ran = json.loads(imagecurator("run", mixed, tmp_path / "out", *arguments, "--json").stdout)
    assert 20 <= facts["sampled"] < 70
    for name, true in (("records", ran["inputs"]), ("kept", ran["kept"])):
        assert facts[name]["low"] <= true <= facts[name]["high"]
    tar = sum(one.stat().st_size for one in (tmp_path / "out").glob("*.tar"))
    assert facts["output_bytes"]["low"] <= tar <= facts["output_bytes"]["high"]


def test_a_sample_is_told_and_leaves_nothing(mixed, tmp_path):
    """With workers of their own: speed, time, what is kept and what is not in the numbers; no file stays anywhere."""
    (tmp_path / "tmp").mkdir()
    before = tree(mixed)
    done = process(
        "plan", mixed, *CHEAP, "--sample", "30", "-w", "2", env={**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.partition("From a sample of ")[2]
    for part in (
        "images/s (",
        " on 2 workers\n",
        "to score all",
        "% to ",
        "rejected: small",
        "Ranges say",
        "Of shards the beginnings were read.",
        "duplicates and protected",
        "MB",
    ):
        assert part in said
    assert tree(mixed) == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_run_would_refuse_is_refused(mixed, tmp_path):
    """A missing input, a missing protect set and a sample of nothing are told as `run` tells them."""
    assert imagecurator("plan", tmp_path / "none", *CHEAP).returncode == 3
    assert imagecurator("plan", mixed, *CHEAP, "-s", f"protect=[{tmp_path}/none]").returncode == 3
    assert imagecurator("plan", *CHEAP, "--sample", "5").returncode == 2
