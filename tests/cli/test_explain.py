"""`imagecurator explain`."""

from __future__ import annotations

import pytest
from tests.cli.kept import ODD, as_json
from tests.cli.processes import imagecurator, sentence, tree

from nemo_curator.report.remedies import remedy
from nemo_curator.testing import encoded, photo


def test_rejected_image(place):
    """An image that a rule rejects: where it lies, its scores, what each rule says with its figures, the verdict."""
    done = imagecurator("explain", place / "run", "tiny.jpg")
    assert done.returncode == 0, done.stderr
    lines = {" ".join(line.split()) for line in done.stdout.splitlines()}
    assert f"read from {place}/in/tiny.jpg" in lines
    assert "width 20" in lines
    assert "rule small rejects it: least(width, height) < 64 [20 against 64]" in lines
    assert "verdict reject by small: least(width, height) < 64" in lines


def test_kept_image_of_a_shard(place):
    """An image of a shard: its files with their places, its caption, and where it was exported."""
    assert imagecurator("export", place / "run", place / "out").returncode == 0
    done = imagecurator("explain", place / "run", "shard/a")
    assert "a.txt (sidecar, 9 bytes at byte" in done.stdout
    assert "a caption" in done.stdout
    assert f"{place / 'out'}: 00000.tar, as a.jpg, a.txt" in done.stdout
    facts = as_json("explain", place / "run", "shard/a")
    assert (facts["decision"]["verdict"], facts["exported"][0]["shard"]) == ("keep", "00000.tar")
    assert facts["location"] == f"{place}/in/shard.tar"


def test_duplicate_and_its_original(place):
    """A duplicate names what it duplicates, and the one that is kept who is like it."""
    duplicates = [as_json("explain", place / "run", one) for one in ("000.jpg", "copy.jpg")]
    kept, copy = sorted(duplicates, key=lambda one: one["decision"]["verdict"] != "keep")
    assert copy["decision"]["verdict"] == "duplicate"
    assert copy["decision"]["duplicate_of"] == kept["image_id"]
    done = imagecurator("explain", place / "run", copy["image_id"])
    assert f"duplicates       {kept['image_id']}" in done.stdout
    assert f"alike            {copy['image_id']}" in imagecurator("explain", place / "run", kept["image_id"]).stdout


def test_broken_image(place):
    """An image in quarantine says what is wrong with it."""
    done = imagecurator("explain", place / "run", "cut.jpg")
    assert "error            decode_failed (image_reader): " in done.stdout
    assert "quarantine" in done.stdout


def test_what_to_do_about_a_broken_image(tmp_path):
    """Of what could not be read: the error once, what may be done as the report says it, no score that it lacks."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "page.jpg").write_text("<html></html>")
    (tmp_path / "in" / "large.png").write_bytes(encoded(photo(1, 200, 200)))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("scores: [header, sharpness]\nlimits: {pixels: 30000}\n")
    assert imagecurator("run", tmp_path / "in", tmp_path / "out", "-r", recipe).returncode == 0
    page = imagecurator("explain", tmp_path / "out", "page.jpg").stdout
    assert "page.jpg (13 bytes)" in page
    assert page.count("not_an_image") == 1
    assert page.endswith("\n\nverdict          quarantine\n")
    assert "\n\n\n" not in page
    assert f"what to do       {remedy('not_an_image')[1]}\n" in page
    assert "  -\n" not in page.partition("sha256")[2].partition("\n")[2]
    large = imagecurator("explain", tmp_path / "out", "large.png").stdout
    assert large.count("limits.pixels") == 1
    assert "`--rescore --replace`" in large


def test_before_a_decision(place):
    """A run that is only scored tells all but the verdict."""
    done = imagecurator("explain", place / "scored", "tiny.jpg")
    run = place / "scored"
    assert f"verdict          none: this run is not decided yet; run `imagecurator decide {run}`\n" in done.stdout
    facts = as_json("explain", run, "tiny.jpg")
    assert (facts["decision"], facts["undecided"]) == (None, "this run is not decided yet")
    assert as_json("explain", place / "run", "tiny.jpg")["undecided"] == ""


def test_hostile_name(place):
    """Control characters of a name are shown, not obeyed."""
    done = imagecurator("explain", place / "run", ODD)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "esc\\x1b[31m.jpg" in done.stdout


@pytest.mark.parametrize(("image_id", "words"), [
    ("tiny.jpeg", "did you mean 'tiny.jpg'?"), ("shard/c", "did you mean 'shard/"), ("shard/a.jpg", "did you mean"),
    ("", "an id is the shard's path"), ("zzz", "an id is the shard's path"), ("caf\udce9.jpg", "this run has no image"),
    ("\x1b[31m", "\\x1b[31m"),
])  # fmt: skip
def test_unknown_ids(place, image_id, words):
    """An id that the run does not have is one sentence, with the nearest one that it has."""
    before = tree(place)
    assert words in sentence(imagecurator("explain", place / "run", image_id), 3)
    assert tree(place) == before


@pytest.mark.parametrize("written", [
    "in/tiny.jpg", "./in/../in/tiny.jpg", "{place}/in/tiny.jpg", "linked/tiny.jpg", "in/shard/a",
])  # fmt: skip
def test_the_path_of_an_image_is_taken_for_its_id(place, monkeypatch, written):
    """As the shell completes it, in full, or behind a link to the input; in a shard too."""
    monkeypatch.chdir(place)
    (place / "linked").symlink_to(place / "in")
    done = imagecurator("explain", "run", written.format(place=place))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["image", "shard/a" if "shard" in written else "tiny.jpg"]


def test_the_path_of_an_input_that_is_a_file(place, monkeypatch):
    """An image that was itself an input has its name for an id, wherever it lies."""
    monkeypatch.chdir(place)
    assert imagecurator("score", "in/tiny.jpg", "alone", "-r", "recipe.yaml", "-w", "0").returncode == 0
    assert imagecurator("explain", "alone", "in/tiny.jpg").stdout.splitlines()[0].split() == ["image", "tiny.jpg"]
    assert "this run has no image" in sentence(imagecurator("explain", "alone", "elsewhere/tiny.jpg"), 3)


def test_a_path_of_no_image_suggests_one(place, monkeypatch):
    """Below the input, the nearest id; elsewhere, what an id is."""
    monkeypatch.chdir(place)
    assert "did you mean 'tiny.jpg'?" in sentence(imagecurator("explain", "run", "in/tiny.jpeg"), 3)
    assert "relative to the input" in sentence(imagecurator("explain", "run", "/zzz"), 3)


def test_mistakes(place):
    """No run, and a run that is not scored to its end, are one sentence."""
    assert "there is no run directory" in sentence(imagecurator("explain", place / "nowhere", "x"), 3)
    next((place / "run" / "parts").iterdir()).unlink()
    assert "1 of 2 partitions are not scored" in sentence(imagecurator("explain", place / "run", "tiny.jpg"), 3)
