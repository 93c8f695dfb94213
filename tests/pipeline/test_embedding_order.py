"""Stages that stand on embeddings: behind the embedder in every recipe, and only behind the one that they fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.test_heads import aesthetic_tensors, nsfw_tensors, write_aesthetic, write_nsfw
from tests.models.test_registered_heads import write_linear
from tests.models.torch_reference import write_tower

from nemo_curator.errors import ModelError, RecipeError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.pipeline.scoring import in_order, plan_scoring
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.fingerprints import EMBEDDING
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.declarations import Cost, Needs
from nemo_curator.stages.image.embedding_fit import gives_embeddings, misfit, needs_embeddings
from nemo_curator.stages.image.filters.base import BaseFilterStage

AESTHETIC = "nemo_curator.stages.image.filters.aesthetic_model_filter:ImageAestheticModelFilterStage"
HERE = "tests.pipeline.test_embedding_order"
LARGE = "clip-vit-large-patch14"


@dataclass
class CheapHeadStage(BaseFilterStage):
    """Looks at the embedding, and thinks that it is cheap."""

    _name: str = "cheap_head"
    cost: ClassVar[Cost] = Cost.HEADER

    def needs(self):
        """Any embedding."""
        return Needs(embedding=True)

    def score(self, images):
        """Its first number."""
        return np.array([image.embedding[0] for image in images], np.float32)


@dataclass
class UndeclaredStage(BaseFilterStage):
    """Declares nothing, so that it may look at whatever was there before it."""

    _name: str = "undeclared"

    def needs(self):
        """Nothing declared."""

    def score(self, images):
        """A number."""
        return np.ones(len(images), np.float32)


@dataclass
class ForeignEmbedderStage(CheapHeadStage):
    """Gives embeddings, and does not say of which model; it turns those that it finds."""

    _name: str = "foreign_embedder"

    def outputs(self):
        """Embeddings."""
        return ["data"], ["embedding"]


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    """Weights of all models that are asked for here, as far as planning looks at them, in the user's directory."""
    for name, patch, dimension in ((LARGE, 14, 768), ("clip-vit-base-patch32", 32, 512)):
        folder = write_tower(tmp_path / "openai" / name, clip_config(patch, dimension, **SMALL_TOWER))
        (folder / "preprocessor_config.json").write_text("{}")
    write_aesthetic(tmp_path, aesthetic_tensors())
    write_nsfw(tmp_path, nsfw_tensors())
    linear = registry.get_spec("sa_0_4_vit_b_32_linear")
    write_linear(tmp_path / linear.weights.file, np.ones(512, np.float32), 5)
    monkeypatch.setitem(registry._SPECS, linear.name, replace(linear, sha256=""))  # numbers of our own are not pinned
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(tmp_path))
    return tmp_path


def planned(*scores, **recipe):
    """What some scores come to."""
    return plan_scoring(Recipe(scores=list(scores), rules={}, **recipe))


def names(stages):
    """Names of stages."""
    return [stage.name for stage in stages]


def clip(name=LARGE):
    """The embedding of a CLIP, as a recipe asks for it."""
    return {"embedding": {"model": name}}


def test_a_head_may_be_named_before_the_embedding(model_dir):
    """The order in which a recipe names the two changes neither stages nor columns nor what they depend on."""
    before, after = planned(AESTHETIC, "header", clip()), planned(clip(), "header", AESTHETIC)
    assert names(before.stages) == names(after.stages) == ["header", "embedding", "aesthetic"]
    assert before.fingerprints == after.fingerprints
    facts = {one.name: one.facts for one in before.planned}
    assert facts["aesthetic_score"]["embedding"] == facts[EMBEDDING]
    assert names(before.needed(["aesthetic_score"])) == ["embedding", "aesthetic"]
    assert names(before.needed([EMBEDDING])) == ["embedding"]


def test_an_nsfw_head_needs_the_embedding_and_no_view(model_dir):
    """`models: {nsfw: clip-autokeras-binary-nsfw}` makes the score of embeddings; the column keeps its name."""
    scoring = planned("nsfw", "embedding", models={"nsfw": "clip-autokeras-binary-nsfw", "embedding": LARGE})
    assert names(scoring.stages) == ["embedding", "nsfw"]
    facts = {one.name: one.facts for one in scoring.planned}["nsfw_score"]
    assert facts["model"]["name"] == "clip-autokeras-binary-nsfw"
    assert "decode" not in facts
    assert facts["embedding"]["model"]["name"] == LARGE


def test_what_a_head_scores_depends_on_the_weights_of_both(model_dir):
    """Other weights of the tower make another aesthetic score, and so do other weights of the head."""
    before = planned(AESTHETIC, clip()).fingerprints
    assert planned(AESTHETIC, clip()).fingerprints == before
    held = load_file(model_dir / "openai" / LARGE / "model.safetensors")
    save_file(held | {"unused": np.ones(1)}, model_dir / "openai" / LARGE / "model.safetensors")
    tower = planned(AESTHETIC, clip()).fingerprints
    assert {name for name in before if tower[name] != before[name]} == {"aesthetic_score", EMBEDDING}
    tensors = aesthetic_tensors()
    tensors["layers.7.bias"] += 1
    (model_dir / registry.get_spec("sac-logos-ava1-l14-linearMSE").weights.file).unlink()
    (model_dir / "ttj" / "sac-logos-ava1-l14-linearMSE").rmdir()
    write_aesthetic(model_dir, tensors)
    head = planned(AESTHETIC, clip()).fingerprints
    assert {name for name in tower if head[name] != tower[name]} == {"aesthetic_score"}


def refused(*scores, **recipe):
    """The sentence by which a recipe is refused."""
    with pytest.raises(RecipeError) as caught:
        planned(*scores, **recipe)
    return str(caught.value)


def test_a_head_without_an_embedding_is_told_what_to_write(model_dir):
    """Which score, which model, whose embeddings, and both lines that are missing."""
    said = refused(AESTHETIC)
    assert "score 'aesthetic' with the model 'sac-logos-ava1-l14-linearMSE' needs embeddings of " + LARGE in said
    assert "none are computed" in said
    assert "add `embedding` to scores and write `models: {embedding: clip-vit-large-patch14}`" in said


def test_a_head_on_the_embedding_of_another_model_is_told_which_is_computed(model_dir):
    """The default embedding fits no head; that of another CLIP does, and then the head that takes it is named too."""
    said = refused(AESTHETIC, "embedding")
    assert "those of efficientnet-lite0 are computed; write `models: {embedding: clip-vit-large-patch14}`" in said
    assert said.endswith("`")
    said = refused(AESTHETIC, clip("clip-vit-base-patch32"))
    assert "those of clip-vit-base-patch32 are computed" in said
    assert "or `models: {aesthetic: sa_0_4_vit_b_32_linear}`, which takes those that are" in said
    fitting = {AESTHETIC: {"model": "sa_0_4_vit_b_32_linear"}}
    assert names(planned(fitting, clip("clip-vit-base-patch32")).stages) == ["embedding", "aesthetic"]


def test_the_place_of_a_misfit_is_that_of_its_model_or_of_its_score(model_dir):
    """Where the recipe names the model of the score, that line is shown, else the line of the score."""
    models = {"nsfw": "clip-autokeras-binary-nsfw"}
    recipe = Recipe(scores=["header", "nsfw", "embedding"], models=models, rules={})
    with pytest.raises(RecipeError, match=r"^line 5: "):
        plan_scoring(recipe.found_at({("models", "nsfw"): "line 5", ("scores", 1): "line 2"}, "r"))
    recipe = Recipe(scores=["header", {"nsfw": {"model": models["nsfw"]}}, "embedding"], rules={})
    with pytest.raises(RecipeError, match=r"^line 2: "):
        plan_scoring(recipe.found_at({("scores", 1): "line 2"}, "r"))


def test_a_misfit_comes_before_missing_weights(model_dir):
    """A head of another embedding is told as that, because its file would not help; one that fits, by its file."""
    (model_dir / "ttj" / "sac-logos-ava1-l14-linearMSE" / "model.safetensors").unlink()
    for embedding in ("embedding", clip("clip-vit-base-patch32"), clip("openai/clip-vit-base-patch32")):
        assert "needs embeddings of clip-vit-large-patch14, and those of " in refused(AESTHETIC, embedding)
    for scores in ((AESTHETIC,), (AESTHETIC, clip())):
        with pytest.raises(WeightsNotFoundError, match=r"sac-logos-ava1-l14-linearMSE: this file is missing"):
            planned(*scores)


def test_a_stage_that_takes_any_embedding_needs_one():
    """Without one it is refused; with one of a model that does not say its name, it is served, as any head is."""
    said = refused(f"{HERE}:CheapHeadStage")
    assert said.endswith("score 'cheap_head' needs embeddings, and none are computed; add `embedding` to scores")
    assert misfit(make_score_stage("nsfw", {}), None) is None
    assert misfit(UndeclaredStage(), None) is None
    assert misfit(CheapHeadStage(), ForeignEmbedderStage()) is None


def test_all_leaves_out_a_head_that_does_not_fit(model_dir, tmp_path, monkeypatch):
    """With `scores: all` a head without its embedding is left out with a note, unless `models` speaks of it."""
    info = tmp_path / "head_of_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: head-of-test\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[nemo_curator.stages]\nhead_of_test = {AESTHETIC}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    scoring = plan_scoring(Recipe(scores="all", rules={}))
    assert "those of efficientnet-lite0 are computed" in dict(scoring.skipped)["head_of_test"]
    assert "aesthetic" not in names(scoring.stages)
    assert "embedding" in names(scoring.stages)
    with pytest.raises(RecipeError, match="those of efficientnet-lite0 are computed"):
        plan_scoring(Recipe(scores="all", models={"head_of_test": "sac-logos-ava1-l14-linearMSE"}, rules={}))


def test_the_public_filters_are_checked_too(model_dir):
    """The filters for pipelines made by hand, named in a recipe by their path, need the embeddings of CLIP ViT-L/14."""
    public = "nemo_curator.stages.image.filters.nsfw_filter:ImageNSFWFilterStage"
    assert "needs embeddings of " + LARGE in refused(public, "embedding")
    embedder = "nemo_curator.stages.image.embedders.clip_embedder:ImageEmbeddingStage"
    assert names(planned(public, embedder).stages) == ["image_embedding", "image_nsfw_filter"]


def test_an_embedder_that_looks_at_embeddings_is_its_own_basis():
    """A stage that both needs and gives embeddings is planned, and moves nothing."""
    assert names(in_order([ForeignEmbedderStage(), CheapHeadStage()])) == ["foreign_embedder", "cheap_head"]


STAGES = [
    make_score_stage("header", {}),
    make_score_stage("entropy", {}),
    make_score_stage("embedding", {}),
    make_score_stage("nsfw", {}),
    CheapHeadStage(),
    UndeclaredStage(),
]


@given(st.permutations(STAGES), st.integers(0, len(STAGES)))
def test_order_of_any_recipe(permuted, count):
    """Nothing is lost; the embedder stands before what needs it; all others keep their order inside a class."""
    chosen = permuted[:count]
    ordered = list(in_order(chosen))
    assert sorted(names(ordered)) == sorted(names(chosen))
    embedders = [index for index, stage in enumerate(ordered) if gives_embeddings(stage)]
    assert all(place < index for place in embedders for index, one in enumerate(ordered) if needs_embeddings(one))
    others = [stage for stage in ordered if not gives_embeddings(stage)]
    for cost in Cost:
        of_class = [stage for stage in others if stage.cost is cost and not needs_embeddings(stage)]
        assert of_class == [stage for stage in chosen if stage in of_class]
    cheap = [stage.cost for stage in ordered if not needs_embeddings(stage)]
    assert cheap == sorted(cheap)
    assert in_order(ordered) == tuple(ordered)


def test_a_precision_that_there_is_not_is_told_with_its_place():
    """The line of the recipe and the score, because a recipe may name several models."""
    recipe = Recipe(scores=["header", {"embedding": {"precision": "fp8"}}], rules={})
    with pytest.raises(ModelError, match=r"^line 2: score 'embedding': 'fp8' is no precision"):
        plan_scoring(recipe.found_at({("scores", 1): "line 2"}, "r"))
