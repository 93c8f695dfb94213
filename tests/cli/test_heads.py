"""A run whose scores come from heads on embeddings, from the recipe to the parts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.cli.processes import imagecurator, pictures, sentence, tree
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.test_heads import aesthetic_tensors, nsfw_tensors, write_aesthetic, write_nsfw
from tests.models.torch_reference import write_tower

from nemo_curator.models import registry
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.partitions import read_partitions
from nemo_curator.runs.parts import read_part

AESTHETIC = "nemo_curator.stages.image.filters.aesthetic_model_filter:ImageAestheticModelFilterStage"
RECIPE = f"""\
scores: [{AESTHETIC}, nsfw, header, embedding]
models: {{nsfw: clip-autokeras-binary-nsfw, embedding: clip-vit-large-patch14}}
rules: {{plain: aesthetic_score < 4.5}}
"""


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    """A small tower in the place of CLIP ViT-L/14, and both heads with numbers of our own."""
    folder = tmp_path / "models"
    write_tower(folder / "openai" / "clip-vit-large-patch14", clip_config(14, 768, **SMALL_TOWER))
    write_aesthetic(folder, aesthetic_tensors())
    write_nsfw(folder, nsfw_tensors())
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(folder))
    return folder


def table(run):
    """All rows of a run's parts."""
    directory = RunDirectory(str(run))
    return pa.concat_tables(read_part(directory, one.id) for one in read_partitions(directory))


def test_heads_named_before_the_embedding_are_scored(tmp_path, model_dir):
    """Both columns are there for every image, and a rule compares the aesthetic score."""
    pictures(tmp_path / "in", 5)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = imagecurator("run", tmp_path / "in", tmp_path / "out", "-r", tmp_path / "recipe.yaml")
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "out" / "run")
    assert rows.num_rows == 5
    assert len(set(rows["aesthetic_score"].to_pylist())) == 5
    assert all(0 <= score <= 1 for score in rows["nsfw_score"].to_pylist())
    head = registry.create_head("sac-logos-ava1-l14-linearMSE")
    head.setup()
    embeddings = [part for part in (tmp_path / "out" / "run" / "embeddings").iterdir() if part.suffix == ".parquet"]
    import pyarrow.parquet as pq

    stored = np.concatenate([np.stack(pq.read_table(one)["embedding"].to_numpy()) for one in sorted(embeddings)])
    # what is recorded is the score of what is stored; a product of several rows may be summed in another order
    np.testing.assert_allclose(sorted(head(stored)), sorted(rows["aesthetic_score"].to_pylist()), rtol=0, atol=1e-5)


def test_a_head_is_added_to_a_run_that_has_embeddings(tmp_path, model_dir):
    """The score that is added later is the one that a run with it from the start records, and embeddings stay."""
    pictures(tmp_path / "in", 4)
    later, at_once = tmp_path / "later", tmp_path / "at_once"
    embedding = "{embedding: {model: clip-vit-large-patch14}}"
    for run, scores in (
        (later, f"[header, {embedding}]"),
        (later, f"[header, {embedding}, {AESTHETIC}]"),
        (at_once, f"[{AESTHETIC}, header, {embedding}]"),
    ):
        done = imagecurator("score", tmp_path / "in", run, "-s", f"scores={scores}", "-s", "rules={}")
        assert done.returncode == 0, done.stderr
    for folder in ("parts", "embeddings", "embeddings_npy"):
        assert tree(later / folder) == tree(at_once / folder)


def test_a_head_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, model_dir):
    """With the default embedding the recipe is exit code 5, in one sentence with the line and what to write."""
    pictures(tmp_path / "in", 1)
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace(", embedding: clip-vit-large-patch14", ""))
    said = sentence(imagecurator("run", tmp_path / "in", tmp_path / "out", "-r", tmp_path / "recipe.yaml"), 5)
    assert "recipe.yaml, line 1" in said
    assert "write `models: {embedding: clip-vit-large-patch14}`" in said
    assert not (tmp_path / "out").exists()


def test_a_rule_over_a_score_that_all_leaves_out_says_what_is_missing(tmp_path):
    """With `all`, the column of a score that is not installed is told with its score and what that lacks."""
    done = imagecurator(
        "run", pictures(tmp_path / "photos", 1), tmp_path / "out", "--scores", "all", "-s", "rules.f=face_count > 1"
    )
    said = sentence(done, 5)
    assert "there is no column 'face_count'" in said
    assert "the score 'faces' gives it, and is left out: " in said
    assert "face_detection_yunet_2023mar.onnx" in said


@pytest.mark.parametrize(
    "place", ["openai/clip-vit-large-patch14/model.safetensors", "ttj/sac-logos-ava1-l14-linearMSE/model.safetensors"]
)
@pytest.mark.parametrize("kept", [0, -100])
def test_a_file_that_was_cut_short_is_told_before_the_run(tmp_path, model_dir, place, kept):
    """Weights or a head, empty or without their end: the run names the file, and nothing is written."""
    path = model_dir / place
    path.write_bytes(path.read_bytes()[:kept])
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    source = pictures(tmp_path / "in", 2)
    for more in ([], ["--dry-run"]):
        said = sentence(imagecurator("run", source, tmp_path / "out", "-r", tmp_path / "recipe.yaml", *more), 6)
        assert str(path) in said
        assert not (tmp_path / "out").exists()


def test_a_head_that_does_not_fit_is_told_before_its_missing_file(tmp_path, model_dir):
    """With B/32 the default head can never be used: that is said, and not which file of it to fetch in vain."""
    write_tower(model_dir / "openai" / "clip-vit-base-patch32", clip_config(32, 512, **SMALL_TOWER))
    (model_dir / "ttj" / "sac-logos-ava1-l14-linearMSE" / "model.safetensors").unlink()
    source = pictures(tmp_path / "in", 2)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"scores: [{AESTHETIC}, embedding]\nmodels: {{embedding: openai/clip-vit-base-patch32}}\nrules: {{}}\n"
    )
    said = sentence(imagecurator("run", source, tmp_path / "out", "-r", recipe), 5)
    assert "needs embeddings of clip-vit-large-patch14, and those of clip-vit-base-patch32 are computed" in said
    assert "`models: {aesthetic: sa_0_4_vit_b_32_linear}`, which takes those that are" in said
    assert "recipe.yaml" in said
