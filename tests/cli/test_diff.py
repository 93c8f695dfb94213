"""`imagecurator diff`."""

from __future__ import annotations

import shutil

import pytest
from tests.cli.kept import ODD, as_json
from tests.cli.processes import imagecurator, sentence, tree


@pytest.fixture
def other(place):
    """Another run of the same input, which rejects everything that has some entropy."""
    shutil.copytree(place / "scored", place / "other")
    assert imagecurator("decide", place / "other", "--rule", "busy=entropy > 0").returncode == 0
    return place / "other"


def test_nothing_changed(place):
    """A run has no difference from itself."""
    facts = as_json("diff", place / "run", place / "run")
    assert (facts["changed"], facts["same"], facts["images"]) == (0, 9, [])
    assert (
        "same verdict by the same rule: 9 images; changed: 0"
        in imagecurator("diff", place / "run", place / "run").stdout
    )


def test_what_changed_and_why(place, other):
    """Images that changed are counted by what they went from and to, and named with both reasons; no escape acts."""
    done = imagecurator("diff", place / "run", other)
    assert done.returncode == 0, done.stderr
    assert "same verdict by the same rule: 2 images; changed: 7" in done.stdout
    assert "keep" in done.stdout
    assert "reject (busy)" in done.stdout
    assert "esc\\x1b[31m.jpg: keep → reject (busy)" in done.stdout
    assert "\x1b" not in done.stdout
    facts = as_json("diff", place / "run", other)
    assert facts["changed"] == 7
    assert ODD in {one["image_id"] for one in facts["images"]}


def test_limit(place, other):
    """Only so many images are named, and all are counted."""
    facts = as_json("diff", place / "run", other, "--limit", "2")
    assert (len(facts["images"]), facts["changed"]) == (2, 7)
    assert as_json("diff", place / "run", other, "--limit", "0")["images"] == []


def test_other_images(place):
    """Images that only one of two runs has are named as such."""
    (place / "in" / "later.jpg").write_bytes((place / "in" / "001.jpg").read_bytes() + b"x")
    assert imagecurator("score", place / "in", place / "scored", "-r", place / "recipe.yaml").returncode == 0
    assert imagecurator("decide", place / "scored").returncode == 0
    facts = as_json("diff", place / "run", place / "scored")
    assert (facts["only_after"], facts["ids_after"], facts["ids_before"]) == (1, ["later.jpg"], [])
    assert f"only in {place / 'scored'}: later.jpg" in imagecurator("diff", place / "run", place / "scored").stdout


def test_nothing_is_written(place, other):
    """Comparing leaves both runs as they are."""
    before = tree(place)
    imagecurator("diff", place / "run", other)
    assert tree(place) == before


def test_mistakes(place):
    """No run, and a run that is not decided, are one sentence."""
    for arguments in (("run", "nowhere"), ("in", "run"), ("run", "scored")):
        sentence(imagecurator("diff", *(place / one for one in arguments)), 3)
