"""The stage that made the embeddings of a run, made once more."""

from __future__ import annotations

import pytest

from nemo_curator.codecs.options import DecodeOptions
from nemo_curator.errors import IncompleteRunError, ModelError
from nemo_curator.pipeline.embedder import embedder_of
from nemo_curator.pipeline.query import embed_text
from nemo_curator.pipeline.scoring import plan_scoring
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState
from nemo_curator.stages.catalogue import class_of

DOTTED = "nemo_curator.stages.image.embedders.model_embedder:ImageModelEmbeddingStage"


def state_of(recipe, in_force=None):
    """What a run of a recipe has on record; another recipe may be in force since."""
    state = RunState.new(RunDirectory("somewhere"))
    state.plan(plan_scoring(recipe).planned)
    state.set_recipe((in_force or recipe).model_dump(mode="json"))
    return state


@pytest.mark.parametrize("name", ["embedding", DOTTED])
def test_it_is_the_stage_of_the_recipe(name):
    """Under either name, with the parameters of its entry, the decoding of the run, and nothing to note."""
    recipe = Recipe.model_validate({
        "scores": ["header", {name: {"model_inference_batch_size": 7}}], "rules": {},
        "decode": {"background": "#102030", "truncated": "accept", "fast": True}, "limits": {"pixels": 1000},
    })  # fmt: skip
    found = embedder_of(state_of(recipe))
    assert (found.stage.name, found.stage.model_inference_batch_size, found.model) == (
        "embedding", 7, "efficientnet-lite0"
    )  # fmt: skip
    assert found.options == DecodeOptions((16, 32, 48), "accept", fast=True)
    assert found.recipe.limits.pixels == 1000
    assert found.notes == ()


def test_what_is_recorded_counts_where_the_recipe_has_no_such_score():
    """A run whose last recipe embeds nothing still has its embeddings, by the parameters and decoding of then."""
    then = Recipe.model_validate({
        "scores": [{"embedding": {"model_inference_batch_size": 7}}], "rules": {}, "decode": {"fast": True}
    })  # fmt: skip
    now = Recipe.model_validate({"scores": ["header"], "rules": {}})
    found = embedder_of(state_of(then, now))
    assert found.stage.model_inference_batch_size == 7
    assert found.options.fast


def test_the_precision_of_the_run_is_taken():
    """A runtime and precision that are recorded and can be had here are those of the query."""
    recipe = Recipe.model_validate({
        "scores": ["embedding"], "rules": {}, "inference": {"runtime": "onnxruntime", "precision": "fp32"}
    })  # fmt: skip
    stage = embedder_of(state_of(recipe)).stage
    assert (stage.runtime, stage.precision) == ("onnxruntime", "fp32")


def _facts(state):
    """What the embedding of a run depends on."""
    return state.facts["columns"]["embedding"]["facts"]


@pytest.mark.parametrize(("change", "words"), [
    (lambda facts: facts["model"].update(weights="0" * 64), "model.weights: 000000000000… → "),
    (lambda facts: facts["model"].update(settings={"config.json": "1"}), "model.settings.config.json: 1 → none"),
    (lambda facts: facts["parameters"].update(model="clip-vit-base-patch32"), "parameters.model: clip-vit-base-"),
    (lambda facts: facts.update(code="1234"), "code: 1234 → none"),
])  # fmt: skip
def test_another_space_is_refused(change, words):
    """Other weights, settings, model or code of a stage: their vectors are not comparable, and what differs is said."""
    state = state_of(Recipe.model_validate({"scores": ["embedding"], "rules": {}}))
    change(_facts(state))
    with pytest.raises(ModelError) as caught:
        embedder_of(state)
    assert words in str(caught.value)


@pytest.mark.parametrize("change", [
    lambda facts: facts["libraries"].update(numpy="1.0"),
    lambda facts: facts["model"].update(precision="int4"),
    lambda facts: facts["decode"]["libraries"].update(pillow="1.0"),
    lambda facts: facts["decode"].update(version=0),
])  # fmt: skip
def test_a_small_difference_is_a_note(change):
    """Other libraries, precision or decoding move a vector a little: one note names what."""
    state = state_of(Recipe.model_validate({"scores": ["embedding"], "rules": {}}))
    change(_facts(state))
    (note,) = embedder_of(state).notes
    assert "the query was embedded a little differently than the run" in note


def test_a_run_without_embeddings():
    """What to do is said."""
    with pytest.raises(IncompleteRunError, match="add the score"):
        embedder_of(state_of(Recipe.model_validate({"scores": ["header"], "rules": {}})))


def test_words_need_a_model_that_is_known():
    """A stage that does not say whose embeddings it makes cannot be asked in words."""
    from dataclasses import replace

    found = replace(embedder_of(state_of(Recipe.model_validate({"scores": ["embedding"], "rules": {}}))), model="")
    with pytest.raises(ModelError, match="does not say whose embeddings"):
        embed_text(found, "a car")


def test_names_of_stages_are_found_without_importing_them():
    """An entry point says its class; a dotted name is its own; an unknown name has none."""
    assert class_of("embedding") == DOTTED
    assert class_of("nobody.is.here:Stage") == "nobody.is.here:Stage"
    assert class_of("nobody") == ""
