"""A run whose scores compare pictures with texts, from the recipe to the parts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from tests.cli.processes import imagecurator, pictures, sentence, tree
from tests.cli.test_heads import table
from tests.models.clip_towers import both_towers, write_both
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.torch_reference import write_tower

from nemo_curator.models import registry
from nemo_curator.pipeline.score_chain import score_chain
from nemo_curator.pipeline.score_run import preview_score
from nemo_curator.planning.recipe_text import parse_recipe
from nemo_curator.runs.layout import RunDirectory

PROMPTS = "nemo_curator.stages.image.filters.prompt_filter:ImagePromptFilterStage"
MATCH = "nemo_curator.stages.image.filters.caption_match_filter:ImageCaptionMatchFilterStage"
MODEL = "clip-vit-base-patch32"
RECIPE = f"""\
scores:
  - header
  - {MATCH}
  - {PROMPTS}:
      watermark: ["a watermarked photo", "a photo with a watermark"]
      screenshot: {{for: a screenshot, against: [a photo, a painting]}}
  - embedding
models: {{embedding: {MODEL}}}
rules:
  mismatch: clip_score < quantile(clip_score, 0.25)
  screenshot: screenshot_score > 0.99
"""
CAPTIONS = ["a cat", "a dog", None, "", "ein Bild von einem Haus 🏠"]


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    """A small CLIP of both towers in the place of a real one."""
    write_both(tmp_path / "models" / "openai" / MODEL, both_towers(32, 512))
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models"


@pytest.fixture
def source(tmp_path):
    """Five pictures, three of which have a caption that says something."""
    folder = pictures(tmp_path / "in", len(CAPTIONS))
    for number, caption in enumerate(CAPTIONS):
        if caption is not None:
            (folder / f"{number:03d}.txt").write_text(caption, encoding="utf-8")
    return folder


def recipe(tmp_path, text):
    """The recipe as a file."""
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "recipe.yaml"


def test_pictures_are_compared_with_prompts_and_captions(tmp_path, model_dir, source):
    """All columns are in the parts and can be compared by rules; a picture without a caption has no clip_score."""
    done = imagecurator("run", source, tmp_path / "out", "-r", recipe(tmp_path, RECIPE))
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "out" / "run").sort_by("image_id").to_pydict()
    assert [score is None for score in rows["clip_score"]] == [False, False, True, True, False]
    assert all(-1 <= score <= 1 for score in rows["watermark_score"])
    assert all(0 <= score <= 1 for score in rows["screenshot_score"])
    assert len(set(rows["watermark_score"])) == 5


def test_scores_are_those_of_the_model(tmp_path, model_dir, source):
    """What is stored is the cosine of what the two towers give for the picture as a run decodes it."""
    run = tmp_path / "run"
    assert imagecurator("score", source, run, "-r", recipe(tmp_path, RECIPE)).returncode == 0
    rows = table(run).sort_by("image_id").to_pydict()
    import pyarrow.parquet as pq

    stored = [pq.read_table(one) for one in sorted((run / "embeddings").glob("*.parquet"))]
    embeddings = {row["image_id"]: row["embedding"] for one in stored for row in one.to_pylist()}
    model = registry.create_text(MODEL, model_dir)
    model.setup()
    for index in (0, 1, 4):
        picture = np.array(embeddings[rows["image_id"][index]], np.float64)
        # what was compared is what is stored
        assert picture @ model([CAPTIONS[index]])[0] == pytest.approx(rows["clip_score"][index], abs=1e-6)


def test_scores_by_texts_are_added_to_a_run_that_has_embeddings(tmp_path, model_dir, source):
    """What is added later is what a run with it from the start records; with other texts it is stale."""
    later, at_once = tmp_path / "later", tmp_path / "at_once"
    first = f"scores: [header, embedding]\nmodels: {{embedding: {MODEL}}}\nrules: {{}}\n"
    assert imagecurator("score", source, later, "-r", recipe(tmp_path, first)).returncode == 0
    assert imagecurator("score", source, later, "-r", recipe(tmp_path, RECIPE)).returncode == 0
    assert imagecurator("score", source, at_once, "-r", recipe(tmp_path, RECIPE)).returncode == 0
    for folder in ("parts", "embeddings", "embeddings_npy"):
        assert tree(later / folder) == tree(at_once / folder)
    changed = recipe(tmp_path, RECIPE.replace("a watermarked photo", "a stock photo"))
    said = sentence(imagecurator("score", source, later, "-r", changed), 4)
    assert "watermark_score" in said


def test_prompts_are_added_without_the_image_tower(tmp_path, model_dir, source):
    """Nothing that runs for them has a large model to share or a pixel to look at; for captions it is the text tower.

    So no inference process is started for prompts, and no worker loads a tower for pictures.
    """
    run = RunDirectory(str(tmp_path / "run"))
    first = f"scores: [header, embedding]\nmodels: {{embedding: {MODEL}}}\nrules: {{}}\n"
    assert imagecurator("score", source, run.root, "-r", recipe(tmp_path, first)).returncode == 0
    for score, shared in ((f"{PROMPTS}: {{watermark: [a watermarked photo]}}", []), (MATCH, ["create_text"])):
        wanted = parse_recipe(first.replace("[header, embedding]", f"[header, embedding, {{{score}}}]"), "recipe")
        plan = preview_score([str(source)], run, wanted)
        (columns,) = plan.work.columns
        chain = score_chain(run, plan.scoring, wanted, plan.scoring.ways(columns)[0])
        assert (chain[0].views, chain[0].pixels) == ((), False)
        assert [request.make.__name__ for stage in chain for request in stage.shared_models()] == shared
        whole = score_chain(run, plan.scoring, wanted)
        assert "create" in [request.make.__name__ for stage in whole for request in stage.shared_models()]


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        (f"models: {{embedding: {MODEL}}}", "", 5, "needs embeddings of one of clip-vit-base-patch16, "),
        ("  - embedding\n", "", 5, "is not among the scores"),
        (
            f"models: {{embedding: {MODEL}}}",
            f"models: {{embedding: {MODEL}, {PROMPTS}: open-nsfw}}",
            6,
            "no text tower",
        ),
        ('["a watermarked photo", "a photo with a watermark"]', "[]", 5, "watermark has no texts"),
        ("watermark:", "Watermark:", 5, "'Watermark' is no name for prompts"),
        ("for: a screenshot, ", "", 5, "the prompts of screenshot have 'against'"),
        ("screenshot:", "clip:", 7, "clip_score"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(tmp_path, model_dir, source, old, new, code, words):
    """Each is one sentence, with its exit code."""
    assert old in RECIPE
    text = recipe(tmp_path, RECIPE.replace(old, new))
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", text), code)
    assert words in said
    assert not (tmp_path / "out").exists()


def test_weights_of_the_image_tower_alone_are_told_before_anything_is_written(tmp_path, model_dir, source):
    """A file without the text tower is one sentence, with what to put where."""
    write_tower(model_dir / "openai" / MODEL, {**clip_config(32, 512, **SMALL_TOWER)})
    text = recipe(tmp_path, RECIPE)
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", text), 6)
    assert "the weights have no text tower" in said
    assert not (tmp_path / "out").exists()


def test_a_tower_of_another_tokenizer_is_told_before_anything_is_written(tmp_path, model_dir, source):
    """A model whose tokens are not CLIP's is one sentence."""
    settings = model_dir / "openai" / MODEL / "config.json"
    config = json.loads(settings.read_text())
    config["text_config"]["vocab_size"] = 250_002
    settings.write_text(json.dumps(config))
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", recipe(tmp_path, RECIPE)), 6)
    assert "another tokenizer" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("score", [MATCH, PROMPTS])
def test_texts_by_other_weights_are_told_before_anything_is_written(tmp_path, model_dir, source, score):
    """A score with a folder of its own has to find the same weights there: cosines of two models mean nothing."""
    other = tmp_path / "other" / "openai" / MODEL
    shutil.copytree(model_dir / "openai" / MODEL, other)
    asked = f"{{model: {MODEL}, model_dir: {other.parents[1]}, prompts: {{cat: a cat}}}}"
    asked = asked if score == PROMPTS else asked.replace(", prompts: {cat: a cat}", "")
    text = recipe(tmp_path, f"scores: [{{{score}: {asked}}}, embedding]\nmodels: {{embedding: {MODEL}}}\nrules: {{}}\n")
    done = imagecurator("score", source, tmp_path / "run", "-r", text)
    assert done.returncode == 0, done.stderr
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + np.float32(0.125).tobytes())
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", text), 5)
    assert "embeds texts by other weights of clip-vit-base-patch32 than those that embed the pictures" in said
    assert str(weights) in said
    assert not (tmp_path / "out").exists()


def test_workers_give_the_same_scores(tmp_path, model_dir, source):
    """Two processes record what one does."""
    from tests.cli.processes import process

    text = recipe(tmp_path, RECIPE)
    assert imagecurator("score", source, tmp_path / "one", "-r", text).returncode == 0
    done = process("score", source, tmp_path / "two", "-r", text, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert table(tmp_path / "one") == table(tmp_path / "two")
