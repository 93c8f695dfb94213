"""Real copies: one photo and its edits, one in every EXIF orientation, and photos that are no copies."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.duplicates import write_pairs
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.stages.catalogue import score_names

RECIPE = Recipe(scores=["hashes"], rules={}, duplicates={"copies": True})


def pairs_among(tmp_path, *inputs, recipe=RECIPE):
    """The pairs of ids that are copies by a recipe, with their distances, and what became of each id."""
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(one) for one in inputs], run, recipe, workers=0)
    decide_locked(run)
    write_pairs(run, str(tmp_path / "pairs.parquet"))
    rows = pq.read_table(tmp_path / "pairs.parquet").to_pylist()
    found = {(one["left"], one["right"]): one["distance"] for one in rows}
    return found, {one["image_id"]: one["duplicate_of"] for one in pq.read_table(run.decisions).to_pylist()}


def test_all_edits_of_a_photo_are_its_copies(shared_data, tmp_path):
    """The original is paired with each of its 11 edits at the default radius, and one of the twelve is kept."""
    pairs, verdicts = pairs_among(tmp_path, shared_data / "copies" / "bridge-mods")
    edits = {name for name in verdicts if name != "aaa-orig.jpg"}
    assert len(edits) == 11
    near = {one for pair in pairs if "aaa-orig.jpg" in pair for one in pair}
    near |= {
        right for left, right in pairs if left in near and pairs[left, right] == 0
    }  # of equal hashes one is paired
    assert near >= edits
    assert list(verdicts.values()).count(None) == 1


def test_other_photos_are_no_copies(shared_data, tmp_path):
    """Kodak's photos, and four photos that differ in their EXIF turns, are no copies of each other or of the bridge."""
    pairs, _ = pairs_among(
        tmp_path,
        f"kodak={shared_data / 'kodak'}",
        f"turns={shared_data / 'copies' / 'exif-rotn'}",
        f"bridge={shared_data / 'copies' / 'bridge-mods' / 'aaa-orig.jpg'}",
    )
    assert pairs == {}


def test_one_photo_in_every_exif_orientation_is_one(shared_data, tmp_path):
    """Two photos, each stored in all orientations, are two pictures when they stand upright."""
    pairs, verdicts = pairs_among(tmp_path, shared_data / "odd" / "exif-orientation")
    kept = [name for name, best in verdicts.items() if best is None]
    assert len(verdicts) == 18, pairs
    assert sorted(name.partition("_")[0] for name in kept) == ["Landscape", "Portrait"]
    assert {name.partition("_")[0] == best.partition("_")[0] for name, best in verdicts.items() if best} == {True}


@pytest.mark.skipif("turned_hashes" not in score_names(), reason="the score turned_hashes is not installed")
def test_a_photo_turned_in_every_way_is_one(shared_data, tmp_path):
    """Its eight turns and flips are one picture with the variants on, and eight without."""
    turned = {"copies": {"turned": True}}
    recipe = Recipe(scores=["hashes", "turned_hashes"], rules={}, duplicates=turned)
    pairs, verdicts = pairs_among(tmp_path, shared_data / "copies" / "dih", recipe=recipe)
    assert len(pairs) == 28
    assert list(verdicts.values()).count(None) == 1
    _, verdicts = pairs_among(tmp_path / "plain", shared_data / "copies" / "dih")
    assert set(verdicts.values()) == {None}


def test_edits_of_a_protected_photo_leak(shared_data, tmp_path):
    """With the original protected, all its 11 edits are leaks that name it; other photos are none."""
    edits, original = shared_data / "copies" / "bridge-mods", tmp_path / "eval"
    original.mkdir()
    (original / "bridge.jpg").write_bytes((edits / "aaa-orig.jpg").read_bytes())
    run = RunDirectory(str(tmp_path / "run"))
    recipe = RECIPE.model_copy(update={"protect": [str(original)]})
    score_run([f"edits={edits}", f"kodak={shared_data / 'kodak'}"], run, recipe, workers=0)
    funnel = decide_locked(run, workers=0)
    rows = pq.read_table(run.decisions).to_pylist()
    leaks = {one["image_id"] for one in rows if one["duplicate_of"] == "eval:bridge.jpg"}
    assert leaks == {one["image_id"] for one in rows if one["image_id"].startswith("edits/")}
    assert (len(leaks), funnel.rejected) == (12, {"protect": 12})
