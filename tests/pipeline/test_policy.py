"""From a recipe to the policy that decides."""

from __future__ import annotations

import pytest

from nemo_curator.errors import InputError, RecipeError
from nemo_curator.pipeline.policy import anchored, export_settings, plan_policy, without_places
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.deciding import Sample, Split
from nemo_curator.runs.exporting import ExportSettings
from nemo_curator.runs.parts import part_schema
from nemo_curator.stages.declarations import Column

SCHEMA = part_schema([Column("a"), Column("word", "string")])


def test_everything_that_decides_arrives(tmp_path):
    """Rules, duplicates, lists, sample and split of a recipe are those of the policy."""
    (tmp_path / "allow.txt").write_text("x\n")
    (tmp_path / "deny.txt").write_text("y\nz\n")
    recipe = Recipe(
        rules={"one": "a < 1", "two": "width > 5"},
        duplicates={"bytes": False, "prefer": "a"},
        allow=str(tmp_path / "allow.txt"),
        deny=str(tmp_path / "deny.txt"),
        sample={"share": 0.5, "seed": 3, "by": "word"},
        split={"train": 0.75, "val": 0.25, "seed": 4, "by": "source"},
    )
    policy = plan_policy(recipe, SCHEMA)
    assert [rule.name for rule in policy.rules] == ["one", "two"]
    assert not policy.duplicate_bytes
    assert (policy.allow.ids.to_pylist(), policy.deny.ids.to_pylist()) == (["x"], ["y", "z"])
    assert policy.sample == Sample(None, 0.5, 3, "word")
    assert policy.split == Split((("train", 0.75), ("val", 0.25)), 4, "source")
    assert {"a", "width", "word", "source"} <= set(policy.columns)


def test_nothing_said_decides_nothing():
    """A recipe without lists, sample or split gives a policy without."""
    policy = plan_policy(Recipe(rules={}), SCHEMA)
    assert (policy.rules, policy.allow, policy.deny, policy.sample, policy.split) == ((), None, None, None, None)


def test_export_settings():
    """Format, limits and order of a recipe are those of the export."""
    recipe = Recipe(export={"format": "folder", "shard_bytes": "1k"}, shuffle=7)
    assert export_settings(recipe) == ExportSettings("folder", None, 1000, 7)


def test_mistakes_name_their_line():
    """A rule over an unknown column names its line, the nearest column, and what else may help."""
    recipe = parse_recipe("rules:\n  fine: a < 1\n  dark: wodr = 'x'\n", where="my.yaml")
    with pytest.raises(
        RecipeError, match=r"^my.yaml, line 3: .*did you mean 'word'\? \(or add the score that computes"
    ):
        plan_policy(recipe, SCHEMA)


@pytest.mark.parametrize(
    "text", ["sample: {n: 1, by: nobody}", "split: {a: 1, by: nobody}", "duplicates: {prefer: nobody}"]
)
def test_unknown_columns(text):
    """A sample, split or preference by a column that is not there is refused."""
    with pytest.raises(RecipeError, match="nobody"):
        plan_policy(parse_recipe(f"rules: {{}}\n{text}"), SCHEMA)


@pytest.mark.parametrize("place", ["nowhere.txt", ".", ""])
def test_lists_that_cannot_be_read(tmp_path, monkeypatch, place):
    """A list that is not there, or no file, is an error of the input."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        plan_policy(Recipe(rules={}, deny=place), SCHEMA)


def test_places_of_lists(tmp_path, monkeypatch):
    """A stored recipe names its files by whole paths, a delivered one by their base names alone; URLs stay whole."""
    monkeypatch.chdir(tmp_path)
    recipe = Recipe(allow="lists/a.txt", deny="s3://bucket/lists/d.parquet")
    stored = anchored(recipe)
    assert (stored.allow, stored.deny) == (f"{tmp_path}/lists/a.txt", "s3://bucket/lists/d.parquet")
    assert anchored(stored) == stored
    delivered = without_places(stored)
    assert (delivered.allow, delivered.deny) == ("a.txt", "d.parquet")
    assert without_places(Recipe()) == Recipe()
