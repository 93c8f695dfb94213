"""Duplicates from the recipe to the verdicts: scores that are added, searches that are made once, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.kernels.pdq_pictures import picture

from nemo_curator.errors import InputError, RecipeError
from nemo_curator.pipeline.curate import curate
from nemo_curator.pipeline.decide import decide_locked
from nemo_curator.pipeline.duplicates import write_pairs
from nemo_curator.pipeline.policy import plan_policy
from nemo_curator.pipeline.progress import Watcher
from nemo_curator.pipeline.progress.events import Searched, Searching
from nemo_curator.pipeline.run_plan import effective
from nemo_curator.pipeline.score_run import score_run
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.deciding import Alike, Copies
from nemo_curator.runs.deciding.groups import duplicate_groups
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.catalogue import score_names
from nemo_curator.stages.declarations import Column
from nemo_curator.testing import encoded

COPIES = {"scores": ["hashes"], "rules": {}, "duplicates": {"copies": {"distance": 31}}}


class Searches(Watcher):
    """Remembers which searches were made."""

    def __init__(self):
        """None yet."""
        self.made = []
        self.rows = 0

    def told(self, event):
        """A search began, or went on."""
        if isinstance(event, Searching):
            self.made.append((event.kind, event.images))
        if isinstance(event, Searched):
            self.rows += event.images


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two pictures, each in good quality, in poor quality, smaller, and turned."""
    folder = tmp_path_factory.mktemp("source") / "in"
    folder.mkdir()
    for seed in (3, 4):
        # large forms, which survive being made smaller
        pixels = np.asarray(Image.fromarray(picture(seed, 24, 18)).resize((400, 300), Image.Resampling.BICUBIC))
        (folder / f"{seed}-good.jpg").write_bytes(encoded(pixels, quality=95))
        (folder / f"{seed}-a-poor.jpg").write_bytes(encoded(pixels, quality=40))
        (folder / f"{seed}-small.png").write_bytes(
            encoded(np.asarray(Image.fromarray(pixels).resize((200, 150))), "PNG")
        )
        (folder / f"{seed}-turned.jpg").write_bytes(encoded(np.ascontiguousarray(np.rot90(pixels)), quality=95))
    return folder


def scored(source, tmp_path, **recipe):
    """A scored run."""
    run = RunDirectory(str(tmp_path / "run"))
    score_run([str(source)], run, Recipe(**{**COPIES, **recipe}), workers=0)
    return run


def verdicts(run):
    """Id to image that it duplicates, of a run's decisions."""
    rows = pq.read_table(run.decisions).to_pylist()
    return {one["image_id"]: one["duplicate_of"] for one in rows}


KEPT = {f"{seed}-{name}": None for seed in (3, 4) for name in ("good.jpg", "turned.jpg")}


def test_the_best_copy_is_kept(source, tmp_path):
    """Of edited copies the largest and least compressed one stays, and is exported; the search is told of and noted."""
    watcher = Searches()
    summary = curate([str(source)], str(tmp_path / "out"), Recipe(**COPIES), workers=0, watcher=watcher)
    assert verdicts(summary.run) == KEPT | {
        f"{seed}-{name}": f"{seed}-good.jpg" for seed in (3, 4) for name in ("a-poor.jpg", "small.png")
    }
    assert (summary.funnel.alike, summary.exported.samples) == ({"same_bytes": 0, "copy": 4}, 4)
    (facts,) = summary.funnel.pairs
    assert watcher.made == [("copies", facts.distinct)]
    assert watcher.rows == facts.distinct
    recorded = json.loads(Path(summary.run.run_json).read_text())["pairs"]["copies"]
    assert (recorded["radius"], recorded["pairs"], recorded["recall"]) == (31, facts.pairs, None)


def test_a_smaller_radius_is_a_decision(source, tmp_path):
    """Deciding with a smaller radius searches for nothing; with a larger one, once more; a dry run leaves no file."""
    run = scored(source, tmp_path)
    watcher = Searches()
    pairs = Path(run.root) / "pairs" / "copies.parquet"
    assert decide_locked(run, Recipe(**COPIES), write=False, watcher=watcher).duplicates == 4
    assert (len(watcher.made), pairs.exists()) == (1, False)
    decide_locked(run, Recipe(**COPIES), watcher=watcher)
    assert len(watcher.made) == 2
    before = pairs.read_bytes()
    none = decide_locked(run, Recipe(**{**COPIES, "duplicates": {"copies": {"distance": 0}}}), watcher=watcher)
    assert none.duplicates < 4
    decide_locked(run, Recipe(**COPIES), watcher=watcher)
    assert (len(watcher.made), pairs.read_bytes()) == (2, before)
    decide_locked(run, Recipe(**{**COPIES, "duplicates": {"copies": {"distance": 40}}}), watcher=watcher)
    assert len(watcher.made) == 3


def test_what_a_killed_search_left_is_swept(source, tmp_path):
    """A temporary file of pairs is removed by the next decision; a file of the user's beside them is not."""
    run = scored(source, tmp_path)
    folder = Path(run.root) / "pairs"
    folder.mkdir()
    (folder / "copies.parquet.tmp-0123456789ab").write_bytes(b"half")
    (folder / "mine.txt").write_text("mine")
    decide_locked(run)
    assert sorted(path.name for path in folder.iterdir()) == ["copies.parquet", "mine.txt"]


def test_images_that_come_later_are_searched_for(source, tmp_path):
    """A run that grew looks for pairs anew."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "3-good.jpg").write_bytes((source / "3-good.jpg").read_bytes())
    run = scored(folder, tmp_path)
    assert decide_locked(run).duplicates == 0
    (folder / "3-a-poor.jpg").write_bytes((source / "3-a-poor.jpg").read_bytes())
    score_run([str(folder)], run, Recipe(**COPIES), workers=0)
    assert decide_locked(run).duplicates == 1
    assert verdicts(run) == {"3-good.jpg": None, "3-a-poor.jpg": "3-good.jpg"}


def test_groups_and_pairs_for_other_programs(source, tmp_path):
    """All pairs are written with both ids; pairs of other scores than the run has now are not."""
    run = scored(source, tmp_path)
    with pytest.raises(InputError, match=r"no pairs of near images .*decide it with"):
        write_pairs(run, str(tmp_path / "pairs.parquet"))
    decide_locked(run)
    count = write_pairs(run, str(tmp_path / "pairs.parquet"))
    rows = pq.read_table(tmp_path / "pairs.parquet").to_pylist()
    assert count == len(rows) == 6
    assert {one["kind"] for one in rows} == {"copies"}
    assert {one["left"][0] == one["right"][0] for one in rows} == {True}
    assert duplicate_groups(run, 5, 5).groups == 2


def test_similar_by_embeddings(source, tmp_path):
    """Look-alikes are found by the embeddings that the run has."""
    run = scored(source, tmp_path, scores=["embedding"], duplicates={"similar": {"eps": 0.3}})
    funnel = decide_locked(run)
    assert funnel.alike["similar"] == funnel.duplicates > 0
    assert (
        decide_locked(run, Recipe(scores=["embedding"], rules={}, duplicates={"similar": {"eps": 0}})).duplicates == 0
    )


@pytest.mark.skipif("pixels" not in score_names(), reason="the score pixels is not installed")
def test_equal_pixels(tmp_path):
    """Two files of one picture without loss are one; a switch brings its score, and nothing is searched for."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, options in (("a.png", {"format": "PNG"}), ("b.bmp", {"format": "BMP"}), ("c.jpg", {"quality": 90})):
        (folder / name).write_bytes(encoded(picture(3, 80, 60), **options))
    run = RunDirectory(str(tmp_path / "run"))
    recipe = Recipe(scores=["pixels"], rules={}, duplicates={"pixels": True})
    score_run([str(folder)], run, recipe, workers=0)
    watcher = Searches()
    assert decide_locked(run, watcher=watcher).alike == {"same_bytes": 0, "same_pixels": 1}
    assert (verdicts(run), watcher.made) == ({"a.png": "b.bmp", "b.bmp": None, "c.jpg": None}, [])


def scores_of(text):
    """Names of the scores that a recipe comes to."""
    return [one for one in parse_recipe(text).with_needed_scores().scores if isinstance(one, str)]


def test_scores_are_added_to_the_default_ones():
    """A kind of duplicates brings its score, unless scores are listed or it is among them."""
    default = Recipe().scores
    assert scores_of("duplicates: {copies: true}") == [*default, "hashes"]
    assert scores_of("duplicates: {similar: true, pixels: true}") == [*default, "pixels"]
    assert scores_of("duplicates: {copies: {turned: true}}") == [*default, "hashes", "turned_hashes"]
    assert scores_of("duplicates: {copies: false}") == default
    assert scores_of("scores: [header]\nduplicates: {copies: true}") == ["header"]
    assert parse_recipe("scores: all\nduplicates: {copies: true}").with_needed_scores().scores == "all"
    assert effective(parse_recipe("rules: {}\nduplicates: {copies: true}")).scores[-1] == "hashes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pixels: true", "my.yaml, line 2: duplicates.pixels finds duplicates by the column 'pixels_sha256'"),
        ("copies: true", "my.yaml, line 2: duplicates.copies finds duplicates by the column 'pdq'"),
        ("similar: {eps: 0.1}", "my.yaml, line 2: duplicates.similar finds duplicates by embeddings"),
    ],
)
def test_a_score_that_is_missing_is_told_before(text, said):
    """Where scores are listed without the one that is needed, one sentence says which to add."""
    recipe = parse_recipe(f"scores: [header]\nduplicates: {{{text}}}\nrules: {{}}", where="my.yaml")
    with pytest.raises(RecipeError, match=r"add `(pixels|hashes|embedding)` to `scores`") as caught:
        plan_policy(recipe, part_schema(()))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("section", "command"),
    [
        ({"copies": {"distance": 20}}, "--copies 20"),
        ({"pixels": True, "similar": {"eps": 0.1}}, "--pixels --similar 0.1"),
        ({"copies": {"turned": True}}, "--copies 31 --turned"),
    ],
)
def test_a_run_without_the_score_is_told_how_to_get_it(section, command):
    """Where nobody listed scores, the act is the command that computes what the run lacks, not to change a list."""
    with pytest.raises(RecipeError) as caught:
        plan_policy(Recipe(rules={}, duplicates=section), part_schema(()))
    assert f"compute it: `imagecurator score INPUT RUN {command}`" in str(caught.value)
    assert "`scores`" not in str(caught.value)


def test_the_command_that_is_told_helps(source, tmp_path):
    """A run of the default scores is decided by copies after it was scored with that switch, and not before."""
    run = scored(source, tmp_path, duplicates={}, scores=["header"])
    changed = Recipe(rules={}, duplicates={"copies": {"distance": 31}})
    with pytest.raises(RecipeError, match="--copies 31"):
        decide_locked(run, changed)
    score_run([str(source)], run, Recipe(**COPIES), workers=0)
    assert decide_locked(run, changed).duplicates == 4


def test_the_policy_of_a_recipe():
    """Every key arrives; by default nothing but equal bytes makes duplicates."""
    names = ("pdq", "pdq_quality", "pdq_turned", "pixels_sha256")
    schema = part_schema([Column(one, "int" if one == "pdq_quality" else "string") for one in names])
    text = "rules: {}\nduplicates: {bytes: false, pixels: true, copies: {distance: 9, min_quality: 50, turned: true}"
    policy = plan_policy(parse_recipe(f"{text}, similar: true, prefer: width}}"), schema, embeds=True)
    assert policy.alike == Alike(pixels=True, copies=Copies(9, 50, turned=True), similar=0.05, finer=False)
    assert policy.duplicate_rules == ("same_pixels", "copy", "similar")
    assert plan_policy(parse_recipe("rules: {}"), schema).alike is None
    assert plan_policy(parse_recipe("rules: {}\nduplicates: {copies: true}"), schema).alike.finer


def test_one_inner_key_set_switches_a_kind_on():
    """`--set duplicates.copies.distance` works on a recipe that has no copies, or only `true`."""
    for text in ("", "duplicates: {copies: true}", "duplicates: {copies: null}", "duplicates: {copies: {distance: 3}}"):
        recipe = parse_recipe(text, overrides={"duplicates.copies.distance": "7"})
        assert (recipe.duplicates.copies.distance, recipe.duplicates.copies.min_quality) == (7, 0)
    assert (
        parse_recipe("duplicates: {copies: true}", overrides={"duplicates.copies": "false"}).duplicates.copies is None
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("copies: 31", "duplicates.copies: this is a section with keys of its own (distance, min_quality, turned)"),
        ("copies: {distance: 64}", "duplicates.copies.distance: this should be less than or equal to 63, not 64"),
        ("copies: {distance: 3.5}", "duplicates.copies.distance: this should be a whole number, not 3.5"),
        ("similar: {eps: 2}", "duplicates.similar.eps: this should be less than or equal to 1, not 2"),
        ("similar: {esp: 0.1}", "unknown key 'esp'; did you mean 'eps'?"),
        ("pixel: true", "unknown key 'pixel'; did you mean 'pixels'?"),
    ],
)
def test_mistakes(text, said):
    """A wrong key or value is told in the words of a recipe."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(f"duplicates: {{{text}}}", where="my.yaml")
    assert str(caught.value).startswith(f"my.yaml, line 1: {said}")
