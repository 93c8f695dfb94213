"""From a recipe to stages and columns: what each column depends on, and what must run to compute some."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from nemo_curator.errors import ModelError, RecipeError
from nemo_curator.pipeline.scoring import EMBEDDING, Scoring, plan_scoring
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.fingerprints import RECORDS, changes
from nemo_curator.stages.declarations import Column, Cost, Needs
from nemo_curator.stages.image.filters.base import BaseFilterStage

HERE = "tests.pipeline.test_scoring"


@dataclass
class OnEmbeddingStage(BaseFilterStage):
    """Looks at the embedding."""

    _name: str = "on_embedding"

    def needs(self):
        """The embedding."""
        return Needs(embedding=True)

    def score(self, images):
        """Its first number."""
        return np.array([image.embedding[0] for image in images], np.float32)


@dataclass
class AnythingStage(BaseFilterStage):
    """Declares nothing, so that it may look at whatever was there before it."""

    _name: str = "anything"

    def needs(self):
        """Nothing declared."""

    def score(self, images):
        """A number."""
        return np.ones(len(images), np.float32)


@dataclass
class OtherEmbedderStage(BaseFilterStage):
    """Says that it gives embeddings."""

    _name: str = "other_embedder"

    def outputs(self):
        """Embeddings."""
        return ["data"], ["embedding"]


def planned(*scores, **recipe) -> Scoring:
    """What some scores come to."""
    return plan_scoring(Recipe(scores=list(scores), rules={}, **recipe))


def names(stages) -> list[str]:
    """Names of stages."""
    return [stage.name for stage in stages]


def test_cheapest_first_in_the_order_of_the_recipe():
    """Stages are sorted by cost class, in recipe order inside one; their columns follow, the records before all."""
    scoring = planned("nsfw", "entropy", "sharpness", "header")
    costs = [stage.cost for stage in scoring.stages]
    assert costs == sorted(costs)
    assert costs[0] is Cost.HEADER
    assert scoring.planned[0].name == RECORDS
    assert [column.name for column in scoring.columns][-1] == "nsfw_score"
    assert list(scoring.fingerprints) == [one.name for one in scoring.planned]
    assert planned("entropy", "sharpness").fingerprints == planned("sharpness", "entropy").fingerprints


def test_rules_and_export_enter_no_fingerprint():
    """Everything that decides or exports may change without a score being another one; limits touch the records."""
    plain = planned("header", "entropy").fingerprints
    decided = plan_scoring(
        Recipe(
            scores=["header", "entropy"],
            rules={"x": "true"},
            duplicates={"bytes": False},
            sample={"n": 1},
            split={"a": 1.0},
            shuffle=3,
            export={"format": "folder"},
        )
    )
    assert decided.fingerprints == plain
    other = planned("header", "entropy", limits={"seconds": 3}).fingerprints
    assert {name for name in plain if other[name] != plain[name]} == {RECORDS}


def test_what_stands_on_embeddings_depends_on_their_model():
    """A column that is computed from the embedding, or may be, has the embedding's facts among its own."""
    scoring = planned("embedding", f"{HERE}:OnEmbeddingStage", f"{HERE}:AnythingStage", "nsfw")
    facts = {one.name: one.facts for one in scoring.planned}
    embedding = {name: value for name, value in facts.items() if name == EMBEDDING}[EMBEDDING]
    assert facts["on_embedding_score"]["embedding"] == embedding
    assert facts["anything_score"]["embedding"] == embedding
    assert "embedding" not in facts["nsfw_score"]
    other = {one.name: one.facts for one in planned(f"{HERE}:OnEmbeddingStage", f"{HERE}:OtherEmbedderStage").planned}
    assert changes(facts["on_embedding_score"], other["on_embedding_score"])


def test_what_must_run():
    """Some columns need their own stages, and what these stand on: the embedder, or for the undeclared all before."""
    scoring = planned("header", "embedding", f"{HERE}:OnEmbeddingStage", "nsfw", f"{HERE}:AnythingStage")
    order = names(scoring.stages)
    embedder = next(stage.name for stage in scoring.stages if EMBEDDING in stage.outputs()[1])
    assert names(scoring.needed(["nsfw_score"])) == [name for name in order if "nsfw" in name]
    assert names(scoring.needed(["on_embedding_score"])) == [embedder, "on_embedding"]
    assert names(scoring.needed([EMBEDDING])) == [embedder]
    assert names(scoring.needed(["anything_score"])) == order
    assert scoring.needed([]) == ()
    assert scoring.needed(["nobody"]) == ()


def test_merging_names_all_that_runs():
    """A partial scoring puts into the parts what its stages record, those too that only ran for others."""
    scoring = planned("header", "embedding", f"{HERE}:OnEmbeddingStage")
    merging = scoring.merging(scoring.needed(["on_embedding_score"]), decodes=True)
    assert merging.columns == (EMBEDDING, "on_embedding_score")
    assert merging.order == tuple(names(scoring.stages))
    assert set(merging.after) == {*(column.name for column in scoring.columns), EMBEDDING}


def test_every_declared_column_is_one_that_is_recorded():
    """The scores with a column of their own are those of the schema; records and embeddings are no columns."""
    scoring = planned("header", "embedding")
    assert all(isinstance(column, Column) for column in scoring.columns)
    assert {RECORDS, EMBEDDING} == {one.name for one in scoring.planned if one.column is None}


def test_two_embedders():
    """An image has one embedding: two stages that give one are refused, by name."""
    with pytest.raises(RecipeError, match=r"embedding and .*OtherEmbedderStage both give embeddings"):
        planned("embedding", f"{HERE}:OtherEmbedderStage")


PLUGIN = """
from nemo_curator.errors import WeightsNotFoundError
from nemo_curator.stages.image.filters.base import BaseFilterStage

class LacksWeights(BaseFilterStage):
    def __post_init__(self):
        raise WeightsNotFoundError("weights are missing: eyes.onnx", act="put it there")
"""


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A package with two scores: one lacks its weights, one cannot be imported."""
    (tmp_path / "plugin_of_test.py").write_text(PLUGIN, encoding="utf-8")
    info = tmp_path / "plugin_of_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin-of-test\nVersion: 1.0\n", encoding="utf-8")
    points = "[nemo_curator.stages]\neyes = plugin_of_test:LacksWeights\nbroken = plugin_of_test:NoSuchClass\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("plugins")
def test_all_leaves_out_what_is_not_installed():
    """`all` computes every score whose parts are there, and says of each other one what is missing."""
    scoring = plan_scoring(Recipe(scores="all", rules={}))
    assert {"header", "sharpness", "nsfw"} <= set(names(scoring.stages))
    skipped = dict(scoring.skipped)
    assert "eyes.onnx; put it there" in skipped["eyes"]
    assert "plugin-of-test cannot be imported" in skipped["broken"]
    assert not skipped.keys() & {"header", "sharpness", "nsfw"}


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(("name", "words"), [("eyes", "eyes.onnx"), ("broken", "cannot be imported")])
def test_a_score_named_in_the_recipe_must_be_installed(name, words):
    """What is asked for by name is never left out silently: its missing part is the error."""
    with pytest.raises(ModelError, match=words):
        planned("header", name)


def test_all_keeps_to_a_model_that_was_named():
    """A model that the recipe names for a score must be there, even with `all`."""
    with pytest.raises(ModelError, match="no-such-model"):
        plan_scoring(Recipe(scores="all", rules={}, models={"nsfw": "no-such-model"}))
