"""The recipe: defaults, sizes, overrides, places, and that it survives being written down."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nemo_curator.codecs.limits import Limits
from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.errors import RecipeError
from nemo_curator.planning.recipe import Recipe
from nemo_curator.planning.recipe_text import parse_recipe


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "{}", "---\n", "\ufeff{}"])
def test_nothing_said_is_the_default(text):
    """An empty recipe, or one of comments alone, is the default recipe."""
    assert parse_recipe(text).model_dump() == Recipe().model_dump()


def test_defaults():
    """The default recipe computes the six scores, rejects the small and the NSFW, and removes exact copies."""
    recipe = parse_recipe("")
    assert recipe.scores == ["header", "sharpness", "exposure", "entropy", "nsfw", "embedding"]
    assert recipe.rules == {"small": "least(width, height) < 64", "nsfw": "nsfw_score >= 0.8"}
    assert recipe.duplicates.bytes
    assert recipe.limits.as_limits() == Limits()
    assert (recipe.export.format, recipe.export.shard_size) == ("webdataset", 1000)


def test_limits_reach_the_decoder():
    """Every limit of a recipe is a limit of the decoder, none is forgotten on the way."""
    text = "limits: {pixels: 2M, bytes: 3MiB, side: 10k, frames: 7, memory: 300MB, seconds: 1.5}"
    assert parse_recipe(text).limits.as_limits() == Limits(2_000_000, 3 * 2**20, 10_000, 7, 300_000_000, 1.5)


def test_decode_options_reach_the_decoder():
    """Every choice about decoding is one of the decoder's, none is forgotten on the way."""
    assert parse_recipe("").decode.as_options() == DecodeOptions()
    text = "decode: {background: '#102030', truncated: accept, fast: true}"
    assert parse_recipe(text).decode.as_options() == DecodeOptions((16, 32, 48), "accept", fast=True)


def test_a_background_that_is_no_colour_is_named():
    """The line, the word and what to write instead."""
    with pytest.raises(RecipeError, match=r"line 2.*'blurple' is no colour; write a name such as white"):
        parse_recipe("decode:\n  background: blurple\n")


SIZES = {"5": 5, "100M": 100_000_000, "64MB": 64_000_000, "1 GiB": 2**30, "1.5k": 1500, "1_000": 1000, "'7'": 7}


@pytest.mark.parametrize("text", SIZES)
def test_sizes(text):
    """Sizes are numbers with decimal or binary suffixes."""
    assert parse_recipe(f"limits: {{bytes: {text}}}").limits.bytes == SIZES[text]


@pytest.mark.parametrize("text", ["0", "-1", "0.1", "1.5", "many", "10X", "true", "[1]", "9e400", "9" * 25, "null"])
def test_no_sizes(text):
    """What is no positive whole number of a sensible size is refused with its key."""
    with pytest.raises(RecipeError, match=r"limits\.bytes"):
        parse_recipe(f"limits: {{bytes: {text}}}")


def test_score_entries():
    """Scores are named, with parameters or without; a model goes to the score that uses it; `all` is what is there."""
    recipe = parse_recipe("scores: [header, {sharpness: {score_threshold: 2}}, {nsfw:}]\nmodels: {nsfw: m}")
    assert recipe.score_entries([]) == [
        ("header", {}), ("sharpness", {"score_threshold": 2}), ("nsfw", {"model": "m"})
    ]  # fmt: skip
    assert parse_recipe("scores: all").score_entries(["a", "b"]) == [("a", {}), ("b", {})]


def test_overrides():
    """The command line sets any key, makes sections that are not there, and takes YAML or, failing that, text."""
    text = "export: {shard_size: 5}\nrules: {a: width < 1}"
    settings = {
        "export.shard_size": "7", "scores": "[header]", "rules.b": "height < 2", "limits.pixels": "3k",
        "duplicates.bytes": "no", "rules.c": "caption like '%: %'",
    }  # fmt: skip
    recipe = parse_recipe(text, overrides=settings)
    assert recipe.export.shard_size == 7
    assert recipe.rules == {"a": "width < 1", "b": "height < 2", "c": "caption like '%: %'"}
    assert (recipe.scores, recipe.limits.pixels, recipe.duplicates.bytes) == (["header"], 3000, False)


def test_places():
    """A recipe knows where its keys were written, on which line or by `--set`, for errors that are found later."""
    text = "scores:\n  - header\n  - sharpness\nrules:\n  a: width < 1\n  b: width < 2\n"
    recipe = parse_recipe(text, where="my.yaml", overrides={"rules.b": "width < 3", "rules.c": "width < 4"})
    assert recipe.place("scores", 1) == "my.yaml, line 3"
    assert recipe.place("rules", "a") == "my.yaml, line 5"
    assert recipe.place("rules", "b") == recipe.place("rules", "c").replace(".c", ".b") == "--set rules.b"
    assert recipe.place("duplicates", "prefer") == "my.yaml"
    assert Recipe().place("rules", "small") == ""


@pytest.mark.parametrize(
    "aliases",
    ["limits: &l {pixels: 5}\nexport: {shard_size: 3}\nduplicates: {prefer: &p width}\nrules: {a: width < 1}"],
)
def test_aliases_are_allowed(aliases):
    """Anchors and aliases work as long as they end."""
    recipe = parse_recipe(aliases.replace("{a: width < 1}", "{a: &r width < 1, b: *r}"))
    assert recipe.rules == {"a": "width < 1", "b": "width < 1"}


@pytest.mark.parametrize("tag", ["!!int", "!!float", "!!timestamp", "!!bool", "!!binary", "!!null", "!x", "!!set"])
@pytest.mark.parametrize("value", ["''", "x", "[1]", "{a: b}"])
def test_tags(tag, value):
    """A value that is not what its tag says is one sentence about the recipe, never an error of the YAML library."""
    with pytest.raises(RecipeError, match=r"^recipe"):
        parse_recipe(f"export: {{shard_size: {tag} {value}}}")


def test_words_that_yaml_takes_for_booleans():
    """A rule may be called `no` or `on`: keys are taken as they are written."""
    assert list(parse_recipe("rules: {no: width < 1, on: width < 2, 1: width < 3}").rules) == ["no", "on", "1"]


def test_a_recipe_does_not_change():
    """A recipe is frozen: what was planned is what is run."""
    with pytest.raises(ValidationError):
        Recipe().scores = "all"


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
_NAMES = st.sampled_from(["header", "sharpness", "exposure", "entropy", "nsfw", "embedding", "theirs:Stage"])
_PARAMETERS = st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans() | _TEXT, min_size=1, max_size=2)


@st.composite
def recipes(draw):
    """Any valid recipe."""
    names = draw(st.lists(_NAMES, unique=True, max_size=5))
    entries = [draw(st.just(name) | _PARAMETERS.map(lambda given, name=name: {name: given})) for name in names]
    return Recipe(
        scores=draw(st.just("all") | st.just(entries)),
        models=draw(st.dictionaries(_NAMES, _TEXT, max_size=2)),
        rules=draw(st.dictionaries(_TEXT, _TEXT, max_size=4)),
        duplicates={"bytes": draw(st.booleans()), "prefer": draw(_TEXT)},
        limits={
            "pixels": draw(st.integers(1, 2**62)),
            "bytes": draw(st.integers(1, 2**40)),
            "seconds": draw(st.floats(1e-3, 1e6)),
        },
        export={"shard_size": draw(st.integers(1, 1_000_000))},
    )


@settings(max_examples=150)
@given(recipe=recipes(), unicode=st.booleans())
def test_round_trip_through_yaml(recipe, unicode):
    """A recipe that is written as YAML and read again is the same recipe, whatever its names and texts."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=unicode)
    assert parse_recipe(text).model_dump() == recipe.model_dump()


@settings(max_examples=250)
@given(
    text=st.text(max_size=80)
    | st.lists(
        st.sampled_from(["scores", "rules", "limits", ":", " ", "\n", "- ", "[", "]", "{", "}", "&a", "*a", "!!int",
                         "?",
                         "'", '"', "|", ">", "#", "1", "all", "header", "%", "@", "\t", "---", "<<", "\\ud800", "\0"]),
        max_size=14,
    ).map("".join)
)  # fmt: skip
def test_any_text_is_a_recipe_or_a_recipe_error(text):
    """Whatever is written, it is a recipe or one sentence about why not."""
    try:
        recipe = parse_recipe(text, where="my.yaml")
    except RecipeError as error:
        assert str(error).startswith("my.yaml")  # noqa: PT017  (both ends are allowed)
        return
    assert parse_recipe(yaml.safe_dump(recipe.model_dump(mode="json"))).model_dump() == recipe.model_dump()
