"""The recipe's keys for lists, samples, splits, order and export: what they take, and what is said of mistakes."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.errors import RecipeError
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(
    lambda one: one not in {"run", "by", "seed"}
)
COLUMN = st.none() | st.sampled_from(["source", "format"])  # fmt: skip
SEED = st.integers(-(2**40), 2**40)


@st.composite
def splits(draw):
    """A valid split: shares of some names that add up to 1."""
    names = draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    parts = [draw(st.integers(1, 1000)) for _ in names]
    shares = {name: part / sum(parts) for name, part in zip(names, parts, strict=True)}
    return {**shares, "seed": draw(SEED), "by": draw(COLUMN)}


SAMPLES = st.builds(
    lambda size, seed, by: {**size, "seed": seed, "by": by},
    st.builds(lambda n: {"n": n}, st.integers(0, 10**9)) | st.builds(lambda share: {"share": share}, st.floats(0, 1)),
    SEED,
    COLUMN,
)
EXPORTS = st.builds(
    lambda form, size: {"format": form, **size},
    st.sampled_from(["webdataset", "folder", "parquet", "mds"]),
    st.builds(lambda n: {"shard_size": n}, st.integers(1, 10**6))
    | st.builds(lambda n: {"shard_bytes": n}, st.integers(1, 2**62))
    | st.just({}),
)


@given(st.none() | SAMPLES, st.none() | splits(), EXPORTS, st.none() | SEED, st.none() | st.text("a/é .", min_size=1))
def test_round_trip(sample, split, export, shuffle, listed):
    """A recipe survives being written into `run.json`, and as the YAML of what differs from the default."""
    recipe = Recipe(sample=sample, split=split, export=export, shuffle=shuffle, allow=listed, deny=listed)
    stored = json.loads(json.dumps(recipe.model_dump(mode="json")))
    assert Recipe.model_validate(stored).model_dump() == recipe.model_dump()
    own = yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
    assert parse_recipe(own).model_dump() == recipe.model_dump()
    if split is not None:
        assert list(recipe.split.shares) == list(split)[:-2]


def test_defaults():
    """By default nothing is listed, sampled, split or shuffled, and a shard holds a thousand samples."""
    recipe = parse_recipe("")
    assert (recipe.allow, recipe.deny, recipe.sample, recipe.split, recipe.shuffle) == (None,) * 5
    assert (recipe.export.format, recipe.export.shard_size, recipe.export.shard_bytes) == ("webdataset", 1000, None)


def test_bytes_take_the_place_of_the_default_number():
    """A limit in bytes is a size, and the default number of samples then has no say."""
    export = parse_recipe("export: {shard_bytes: 1 GiB}").export
    assert (export.shard_size, export.shard_bytes) == (None, 2**30)


@pytest.mark.parametrize(("text", "said"), [
    ("sample: 5", "line 1: sample: this is a section with keys of its own (n, share, seed, by), not 5"),
    ("sample: {}", "line 1: sample: give one of `n` and `share`"),
    ("sample:\n  n: 5\n  share: 0.5", "line 1: sample: give one of `n` and `share`"),
    ("sample:\n  n: -1", "line 2: sample.n: this should be greater than or equal to 0, not -1"),
    ("sample:\n  n: many", "line 2: sample.n: this should be a whole number, not 'many'"),
    ("sample:\n  n: 1.5", "line 2: sample.n: this should be a whole number, not 1.5"),
    ("sample:\n  share: 2", "line 2: sample.share: this should be less than or equal to 1, not 2"),
    ("sample:\n  share: .nan", "line 2: sample.share: this should be less than or equal to 1, not NaN"),
    ("sample:\n  shares: 0.5", "line 2: unknown key 'shares'; did you mean 'share'?"),
    ("sample:\n  n: 1\n  by: [a]", 'line 3: sample.by: this should be text, not ["a"]'),
    ("split: 5", "line 1: split: this is a section with keys of its own (train: 0.95, val: 0.05), not 5"),
    ("split: {}", "line 1: split: name the shares, as in {train: 0.95, val: 0.05}"),
    ("split: {seed: 3}", "line 1: split: name the shares, as in {train: 0.95, val: 0.05}"),
    ("split: {train: 0.5}", "line 1: split: the shares add up to 0.5, not to 1"),
    ("split:\n  train: 0.5\n  val: 0.6", "line 1: split: the shares add up to 1.1, not to 1"),
    ("split:\n  train: 0.5\n  val: lots", "line 3: split.val: this should be a number, not 'lots'"),
    ("split:\n  train: 2\n  val: -1", "line 1: split: the share of train is not between 0 and 1"),
    ("split: {train: .nan, val: 1}", "line 1: split: the share of train is not between 0 and 1"),
    ("split: {run: 1}", "line 1: split: 'run' is no name for a split; it becomes a folder"),
    ("split: {../up: 1}", "line 1: split: '../up' is no name for a split; it becomes a folder"),
    ("split: {train: 1, seed: x}", "line 1: split.seed: this should be a whole number, not 'x'"),
    ("export:\n  shard_size: 5\n  shard_bytes: 1MB", "line 1: export: give one of `shard_size` and `shard_bytes`"),
    ("export:\n  shard_size: null", "line 1: export: give one of `shard_size` and `shard_bytes`"),
    ("export:\n  shard_bytes: lots", "line 2: export.shard_bytes: 'lots' is no size"),
    ("export:\n  format: tar", "line 2: export.format: this should be 'webdataset', 'folder', 'parquet' or 'mds', not"),
    ("export: folder", "line 1: export: this is a section with keys of its own (format, shard_size, shard_bytes, "),
    ("shuffle: often", "line 1: shuffle: this should be a whole number, not 'often'"),
    ("allow: [a.txt]", 'line 1: allow: this should be text, not ["a.txt"]'),
    ("duplicates: {bytes: 5}", "line 1: duplicates.bytes: this should be `true` or `false`, not 5"),
    ("rules: [a]", 'line 1: rules: this should be a mapping of names to values, not ["a"]'),
    ("splits: {a: 1}", "line 1: unknown key 'splits'; did you mean 'split'?"),
])  # fmt: skip
def test_mistakes(text, said):
    """Each mistake is one sentence with the line, the key, what should stand there and what does."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, where="my.yaml")
    assert str(caught.value).startswith(f"my.yaml, {said}")
    assert "Input" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_long_wrong_values_are_cut():
    """A wrong value is shown by its beginning."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(f"shuffle: {'x' * 1000}")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(("text", "overrides", "key", "value"), [
    ("export: {shard_bytes: 1MB}", {"export.shard_size": "5"}, "export", {"shard_size": 5}),
    ("export: {shard_size: 5}", {"export.shard_bytes": "2k"}, "export", {"shard_size": None, "shard_bytes": 2000}),
    ("sample: {share: 0.5, seed: 3}", {"sample.n": "7"}, "sample", {"n": 7, "seed": 3}),
    ("sample: {n: 7}", {"sample.share": "0.5"}, "sample", {"share": 0.5}),
    ("", {"sample.n": "7"}, "sample", {"n": 7}),
    ("sample: {n: 7}", {"sample": "null"}, "sample", None),
    ("known_bad: {lists: {a: a.md5}}", {"known_bad": "null"}, "known_bad", None),
    ("known_bad: {lists: {a: a.md5}}", {"known_bad": ""}, "known_bad", None),
    ("", {"split": "{train: 0.5, val: 0.5}"}, "split", {"train": 0.5, "val": 0.5}),
])  # fmt: skip
def test_a_key_that_is_set_takes_the_place_of_the_one_it_excludes(text, overrides, key, value):
    """Setting one of two keys that exclude each other is no conflict with what the recipe says."""
    recipe = parse_recipe(text, overrides=overrides)
    found = recipe.model_dump(exclude_defaults=True).get(key)
    assert found == (value if value is None or key != "export" else {"shard_size": value.get("shard_size"), **value})


def test_both_set_is_a_conflict():
    """Who sets both of two keys that exclude each other is told so."""
    with pytest.raises(RecipeError, match=r"^--set export.*give one of `shard_size` and `shard_bytes`"):
        parse_recipe("", overrides={"export.shard_size": "5", "export.shard_bytes": "5"})
