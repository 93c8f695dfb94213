"""`imagecurator plan`: a recipe explained before there is any input."""

from __future__ import annotations

import json

from tests.cli.processes import imagecurator

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
