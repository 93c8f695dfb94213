"""Scores that compare pictures with texts: prompts of the user's, and captions."""

from __future__ import annotations

import json
import pickle
import threading

import numpy as np
import pytest
from tests.models.clip_towers import both_towers, write_both
from tests.models.formula import unit_rows
from tests.models.host import hosting

from nemo_curator.errors import IncompleteScoreError, ModelError, RecipeError, StageError, WeightsNotFoundError
from nemo_curator.models import registry
from nemo_curator.models.request import ModelRequest
from nemo_curator.stages.catalogue import make_score_stage
from nemo_curator.stages.fingerprint import stage_facts
from nemo_curator.stages.image.filters.caption_match_filter import ImageCaptionMatchFilterStage
from nemo_curator.stages.image.filters.prompt_filter import ImagePromptFilterStage
from nemo_curator.stages.image.filters.prompts import Prompt, read_prompts
from nemo_curator.stages.worker import WorkerMetadata
from nemo_curator.tasks import ImageBatch, ImageObject
from nemo_curator.testing import assert_stage_contract

MODEL = "clip-vit-base-patch32"
PROMPTS = "nemo_curator.stages.image.filters.prompt_filter:ImagePromptFilterStage"
MATCH = "nemo_curator.stages.image.filters.caption_match_filter:ImageCaptionMatchFilterStage"
TEXTS = ["a watermarked photo", "a photo with a watermark"]
SIDES = {"for": ["a screenshot"], "against": ["a photo", "a painting"]}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A small CLIP of both towers in the place of a real one."""
    folder = tmp_path_factory.mktemp("models")
    write_both(folder / "openai" / MODEL, both_towers(32, 512))
    return str(folder)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Embedded prompts never reach the user's cache."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prompts"


@pytest.fixture(scope="module")
def embed(model_dir):
    """The text tower, loaded."""
    model = registry.create_text(MODEL, model_dir)
    model.setup()
    return lambda *texts: model(texts).astype(np.float64)


def batch(rows, captions=()):
    """Images that have nothing but embeddings, and captions."""
    images = [ImageObject(image_id=str(index), embedding=row) for index, row in enumerate(rows)]
    for image, caption in zip(images, captions, strict=False):
        image.metadata = {} if caption is None else {"caption": caption}
    return ImageBatch(data=images)


def scores(stage, task):
    """Column to the values that a stage records."""
    images = stage.annotate(task).data
    return {column.name: [image.scores[column.name] for image in images] for column in stage.score_columns()}


def prompted(model_dir, **prompts):
    """The stage of prompts, set up."""
    stage = ImagePromptFilterStage(model=MODEL, model_dir=model_dir, prompts=prompts)
    stage.setup(None)
    return stage


def matching(model_dir, **settings):
    """The stage of captions, set up."""
    stage = ImageCaptionMatchFilterStage(model=MODEL, model_dir=model_dir, **settings)
    stage.setup(None)
    return stage


def test_a_score_is_the_cosine_with_the_mean_of_its_texts(model_dir, embed):
    """Each name has a column of its own, in the order of the recipe."""
    rows = unit_rows(5, 512)
    found = scores(prompted(model_dir, watermark=TEXTS, cat="a cat"), batch(rows))
    middle = embed(*TEXTS).sum(axis=0)
    assert list(found) == ["watermark_score", "cat_score"]
    np.testing.assert_allclose(found["watermark_score"], rows @ (middle / np.linalg.norm(middle)), atol=1e-6)
    np.testing.assert_allclose(found["cat_score"], rows @ embed("a cat")[0], atol=1e-6)


def test_against_other_texts_it_is_the_softmax_of_two_cosines(model_dir, embed):
    """The cosines are multiplied with the scale that the model was trained with, which is 50 here."""
    rows = unit_rows(5, 512)
    found = scores(prompted(model_dir, screenshot=SIDES), batch(rows))["screenshot_score"]
    against = embed(*SIDES["against"]).sum(axis=0)
    cosines = np.stack([rows @ embed("a screenshot")[0], rows @ (against / np.linalg.norm(against))], axis=1)
    odds = np.exp(50 * cosines)
    np.testing.assert_allclose(found, odds[:, 0] / odds.sum(axis=1), atol=1e-5)
    assert all(0 < one < 1 for one in found)


def test_a_score_does_not_depend_on_neighbours(model_dir):
    """Alone and among others, a picture has the same scores to the last bit."""
    rows = unit_rows(40, 512)
    captions = [f"picture {index} of a cat" for index in range(40)]
    for stage in (prompted(model_dir, watermark=TEXTS, screenshot=SIDES), matching(model_dir)):
        together = scores(stage, batch(rows, captions))
        for index in (0, 7, 39):
            alone = scores(stage, batch(rows[index : index + 1], captions[index : index + 1]))
            assert alone == {name: [values[index]] for name, values in together.items()}


def test_both_keep_the_contract_of_a_score(tmp_path):
    """They keep what a run relies on, to the last bit."""
    prompts = {"watermark": TEXTS, "screenshot": SIDES}
    model = "clip-vit-large-patch14"  # the images have embeddings of its length
    write_both(tmp_path / "openai" / model, both_towers(14, 768))
    assert_stage_contract(ImagePromptFilterStage(model=model, model_dir=str(tmp_path), prompts=prompts))
    assert_stage_contract(ImageCaptionMatchFilterStage(model=model, model_dir=str(tmp_path)))


def test_an_embedding_without_numbers_is_a_quarantine(model_dir):
    """NaN gives no score, and the others stay as they are; those of another model are refused."""
    rows = unit_rows(3, 512)
    rows[1, 7] = np.nan
    for stage, column in ((prompted(model_dir, cat="a cat"), "cat_score"), (matching(model_dir), "clip_score")):
        done = stage.annotate(batch(rows, ["a", "b", "c"]))
        assert [image.image_id for image in done.data] == ["0", "2"]
        assert [(record.image_id, record.code) for record in done.records] == [("1", "nan_score")]
        assert all(image.scores[column] is not None for image in done.data)
        with pytest.raises(ValueError, match=r"expected embeddings of shape \(N, 512\)"):
            stage.annotate(batch(unit_rows(1, 768), ["a"]))


def test_columns_say_what_they_are(model_dir):
    """A cosine and a probability are told apart, with the texts that they are about."""
    stage = ImagePromptFilterStage(prompts={"watermark": TEXTS, "screenshot": SIDES})
    cosine, probability = stage.score_columns()
    assert (cosine.name, cosine.unit, cosine.range) == ("watermark_score", "cosine", (-1.0, 1.0))
    assert cosine.meaning == "How well the picture fits 'a watermarked photo' and the like"
    assert (probability.unit, probability.range) == ("probability", (0.0, 1.0))
    assert probability.meaning == "Probability that the picture is 'a screenshot' and not 'a photo' and the like"


def test_prompts_are_embedded_once_for_all_workers(model_dir, cache):
    """What is done once a host fills the cache, and workers take it from there."""
    stage = ImagePromptFilterStage(model=MODEL, model_dir=model_dir, prompts={"watermark": TEXTS})
    stage.setup_on_node(None, None)
    made = {path.name: path.read_bytes() for path in cache.iterdir()}
    assert len(made) == 2
    stage.setup(None)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == made
    assert stage.tower()._session is None


@pytest.mark.parametrize("writable", [True, False])
def test_without_a_cache_no_worker_loads_the_text_tower(model_dir, cache, monkeypatch, writable):
    """What cannot be kept is computed where the host's large models are, and is the same; what is kept, nowhere."""
    if not writable:
        cache.parent.write_text("a file where the cache should be")
    stage = ImagePromptFilterStage(model=MODEL, model_dir=model_dir, prompts={"watermark": TEXTS, "screenshot": SIDES})
    stage.setup_on_node()
    stage.setup()
    told = pickle.dumps((stage._vectors, stage._scale))
    with hosting() as host:
        host.serve()
        if not writable:
            monkeypatch.setattr(ModelRequest, "model", loaded_by_the_host(ModelRequest.model))
        for _ in range(3):
            stage.setup(WorkerMetadata(inference=host.address))
            assert pickle.dumps((stage._vectors, stage._scale)) == told
        assert host.turns == (0 if writable else 3)


def loaded_by_the_host(make):
    """Makes models as before, in threads other than this one."""
    here = threading.get_ident()

    def made(request, threads=1):
        assert threading.get_ident() != here, "a worker made the model"
        return make(request, threads)

    return made


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"Watermark": TEXTS}, "'Watermark' is no name for prompts"),
        ({"water mark": TEXTS}, "is no name for prompts"),
        ({True: TEXTS}, "True is no name for prompts"),
        ({"x" * 41: TEXTS}, "is no name for prompts"),
        ({"watermark": []}, "watermark has no texts"),
        ({"watermark": None}, "watermark has no texts"),
        ({"watermark": 7}, "watermark has no texts"),
        ({"watermark": ["a", ""]}, "'' is no text for watermark"),
        ({"watermark": ["a", " \n"]}, "is no text for watermark"),
        ({"watermark": [True]}, "True is no text for watermark; where it was meant as one, put it in quotes"),
        ({"watermark": ["dress " * 76]}, "that CLIP reads, so shorten it: 'dress dress"),
        ({"watermark": {"for": TEXTS}}, "the prompts of watermark have 'for'; write"),
        ({"watermark": {}}, "the prompts of watermark have nothing; write"),
        ({"watermark": {"for": TEXTS, "against": []}}, "watermark has no texts"),
        ({"watermark": {"for": TEXTS, "versus": TEXTS}}, "have 'for', 'versus'; write"),
        ({"watermark": {"for": TEXTS, "against": TEXTS[:1]}}, "stands on both sides of watermark"),
        ("a watermarked photo", "prompts are names with texts"),
    ],
)
def test_prompts_that_say_nothing_are_refused(given, words):
    """Each mistake is told when the stage is made, in the words of a recipe."""
    with pytest.raises(ValueError, match=r".") as caught:
        read_prompts(given)
    assert words in str(caught.value)


def test_all_forms_of_prompts_are_read():
    """One text, a list, two sides, and texts of exactly as many tokens as are read."""
    long = "dress " * 75
    assert read_prompts({"a": "b", "c": ["d", long], "e": SIDES}) == (
        Prompt("a", ("b",)),
        Prompt("c", ("d", long)),
        Prompt("e", ("a screenshot",), ("a photo", "a painting")),
    )


def test_names_of_prompts_are_parameters_of_the_score(model_dir):
    """A recipe writes them directly under the score, or under `prompts`, which means the same."""
    directly = make_score_stage(PROMPTS, {"watermark": TEXTS, "model": MODEL, "model_dir": model_dir})
    under = make_score_stage(PROMPTS, {"prompts": {"watermark": TEXTS}, "model": MODEL, "model_dir": model_dir})
    both = make_score_stage(PROMPTS, {"prompts": {"cat": "a cat"}, "watermark": TEXTS})
    assert stage_facts(directly) == stage_facts(under)
    assert [column.name for column in both.score_columns()] == ["cat_score", "watermark_score"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"watermark": []}, "watermark has no texts"),
        ({"score_threshold": 0.3, "watermark": TEXTS}, "'score_threshold' of score"),
        ({"prompts": "a", "watermark": TEXTS}, "prompts are names with texts"),
        ({"_name": "a", "watermark": TEXTS}, "has no parameter '_name'"),
    ],
)
def test_mistakes_in_a_recipe_are_told_with_the_score(parameters, words):
    """They are errors of the recipe."""
    with pytest.raises(RecipeError) as caught:
        make_score_stage(PROMPTS, parameters)
    assert words in str(caught.value)


def test_a_score_without_prompts_says_what_to_write():
    """It has no default, because only the user knows what to look for."""
    with pytest.raises(IncompleteScoreError, match="has no prompts") as caught:
        make_score_stage(PROMPTS, {})
    assert "watermark" in caught.value.act


def test_captions_are_compared_with_their_pictures(model_dir, embed):
    """The score is the cosine; without a caption, or with an empty one, there is none."""
    rows = unit_rows(5, 512)
    captions = ["a cat", None, " \n", "a cat", "ein roter Hund " * 100]
    found = scores(matching(model_dir), batch(rows, captions))["clip_score"]
    assert found[1:3] == [None, None]
    np.testing.assert_allclose(found[0], rows[0] @ embed("a cat")[0], atol=1e-6)
    np.testing.assert_allclose(found[3], rows[3] @ embed("a cat")[0], atol=1e-6)
    np.testing.assert_allclose(found[4], rows[4] @ embed(captions[4])[0], atol=1e-6)


def test_hostile_captions_have_a_score(model_dir):
    """No caption ends a run, whatever it holds."""
    captions = ["\x00", "<|endoftext|>", "a" * 1_000_000, "\u0301" * 5_000, "\ud800", "a\u202eb" * 2_000]
    found = scores(matching(model_dir), batch(unit_rows(6, 512), captions))["clip_score"]
    assert all(-1 <= one <= 1 for one in found)


def test_an_image_without_a_caption_does_not_pass_a_threshold(model_dir):
    """In a pipeline made by hand, it is rejected beside those that fit badly."""
    rows = unit_rows(3, 512)
    stage = matching(model_dir, score_threshold=-0.5)
    kept = stage.process(batch(rows, ["a cat", None, "a dog"]))
    assert [image.image_id for image in kept.data] == ["0", "2"]
    assert [(record.image_id, record.score) for record in kept.records] == [("1", -1.0)]


def test_a_pipeline_by_hand_names_threshold_and_model(model_dir):
    """Neither has a default that would be right for everybody."""
    with pytest.raises(StageError, match="has no threshold"):
        matching(model_dir).process(batch(unit_rows(1, 512), ["a"]))
    with pytest.raises(StageError, match="does not know which model made the embeddings") as caught:
        ImageCaptionMatchFilterStage().setup(None)
    assert "ImageCaptionMatchFilterStage(model='clip-vit-large-patch14'" in caught.value.act
    with pytest.raises(StageError, match="does not know which model made the embeddings"):
        ImagePromptFilterStage(prompts={"cat": "a cat"}).setup_on_node(None, None)


def test_a_model_without_texts_and_missing_weights_are_told_when_the_stage_is_made(tmp_path):
    """One sentence each, before anything runs."""
    with pytest.raises(ModelError, match="'efficientnet-lite0' has no text tower"):
        make_score_stage(MATCH, {"model": "efficientnet-lite0"})
    with pytest.raises(WeightsNotFoundError, match=r"model\.safetensors"):
        make_score_stage(MATCH, {"model": MODEL, "model_dir": str(tmp_path)})
    with pytest.raises(ModelError, match="'bf61' is no precision"):
        make_score_stage(MATCH, {"model": MODEL, "precision": "bf61"})
    with pytest.raises(RecipeError, match=r"model is the name of a model, not \['a'\]"):
        make_score_stage(PROMPTS, {"model": ["a"]})


def test_stages_are_sent_to_workers(model_dir):
    """They pickle before they are set up."""
    for stage in (
        ImagePromptFilterStage(model=MODEL, model_dir=model_dir, prompts={"cat": "a cat"}),
        ImageCaptionMatchFilterStage(model=MODEL, model_dir=model_dir),
    ):
        sent = pickle.loads(pickle.dumps(stage))  # noqa: S301  our own
        sent.setup(None)
        assert len(sent.annotate(batch(unit_rows(2, 512), ["a", "b"])).data) == 2


def test_the_fingerprint_knows_texts_weights_and_tokenizer(model_dir, tmp_path):
    """Scores are stale when any of these changes, and not when the weights lie elsewhere."""

    def facts(folder, **prompts):
        stage = ImagePromptFilterStage(model=MODEL, model_dir=folder, prompts=prompts)
        return json.dumps(stage_facts(stage), sort_keys=True)

    first = facts(model_dir, watermark=TEXTS)
    assert facts(model_dir, watermark=TEXTS[:1]) != first
    write_both(tmp_path / "moved" / "openai" / MODEL, both_towers(32, 512))
    assert facts(str(tmp_path / "moved"), watermark=TEXTS) == first
    write_both(tmp_path / "other" / "openai" / MODEL, both_towers(32, 512, hidden_act="gelu"))
    assert facts(str(tmp_path / "other"), watermark=TEXTS) != first
    assert '"clip-bpe"' in first
    assert '"unicode"' in first
