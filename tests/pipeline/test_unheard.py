"""What a recipe wants of all models, and some of them cannot do."""

from __future__ import annotations

from tests.cli.processes import pictures

from nemo_curator.pipeline.score_plan import plan_score
from nemo_curator.planning.recipe import InferenceSection, Recipe
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.listing import list_inputs


def notes(tmp_path, scores, **inference):
    """What a plan says of a recipe with these scores."""
    listing = list_inputs([str(pictures(tmp_path / "in", 2))])
    recipe = Recipe(scores=scores, rules={}, inference=InferenceSection(**inference))
    return plan_score(RunDirectory(str(tmp_path / "run")), listing, recipe).notes


def test_a_precision_that_passes_small_networks_by_is_told(tmp_path):
    """The embedding of the base install is computed in fp32 alone; who asks for another precision learns that."""
    said = notes(tmp_path, ["header", "embedding"], precision="fp16")
    assert said == ("`inference.precision: fp16` is not for efficientnet-lite0, which is computed in fp32 alone",)


def test_torch_passes_small_networks_by_too(tmp_path):
    """They run on the CPU by onnxruntime, whatever computes the towers."""
    (said,) = notes(tmp_path, ["embedding"], runtime="torch")
    assert said.startswith("`inference.runtime: torch` is not for efficientnet-lite0, which is computed on the CPU")


def test_what_is_heard_needs_no_note(tmp_path):
    """Full precision and free choices are as every model is computed; without a model there is nothing to say."""
    assert notes(tmp_path, ["embedding"], precision="fp32") == notes(tmp_path, ["embedding"]) == ()
    assert notes(tmp_path, ["header"], precision="fp16", runtime="torch") == ()
