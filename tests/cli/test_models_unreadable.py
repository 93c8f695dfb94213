"""Files of models that nobody may read: one sentence and the exit code of models, before a run begins."""

from __future__ import annotations

import pytest
from tests.cli.processes import pictures, sentence
from tests.cli.unprivileged import unprivileged
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.test_heads import aesthetic_tensors, write_aesthetic
from tests.models.torch_reference import write_tower

MODEL = "clip-vit-large-patch14"
FOLDER, HEAD = f"openai/{MODEL}", "ttj/sac-logos-ava1-l14-linearMSE"
AESTHETIC = "nemo_curator.stages.image.filters.aesthetic_model_filter:ImageAestheticModelFilterStage"


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A small tower in the place of CLIP ViT-L/14, and the head on it; all is readable again at the end."""
    folder = tmp_path / "models"
    write_tower(folder / FOLDER, clip_config(14, 768, **SMALL_TOWER))
    write_aesthetic(folder, aesthetic_tensors())
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(folder))
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    yield folder
    for place in (
        "",
        FOLDER,
        HEAD,
        f"{FOLDER}/model.safetensors",
        f"{FOLDER}/config.json",
        f"{HEAD}/model.safetensors",
    ):
        (folder / place).chmod(0o755)


@pytest.mark.parametrize(
    "place", [f"{FOLDER}/model.safetensors", f"{FOLDER}/config.json", FOLDER, "", f"{HEAD}/model.safetensors"]
)
def test_a_plan_says_what_cannot_be_read(tmp_path, models, place):
    """Weights, settings, a folder or the head: the dry run names it, and nothing is written."""
    (models / place).chmod(0)
    scores = f"scores=[{{embedding: {{model: {MODEL}}}}}, {AESTHETIC}]"
    source = pictures(tmp_path / "in", 2)
    done = unprivileged("run", source, tmp_path / "out", "-s", scores, "-s", "rules={}", "--dry-run")
    said = sentence(done, 6)
    assert "cannot be read (Permission denied); let this user read it" in said
    assert str(models / place) in said
    assert not (tmp_path / "out").exists()


def test_models_are_listed_and_verified_all_the_same(models):
    """The list says of which one nobody knows; verifying names the file, and looks at all others."""
    (models / FOLDER / "model.safetensors").chmod(0)
    assert unprivileged("models").returncode == 0
    done = unprivileged("models", "verify")
    assert "cannot be read (Permission denied)" in sentence(done, 6)
    assert "sac-logos-ava1-l14-linearMSE: readable" in done.stdout
    models.chmod(0)
    assert "unreadable" in unprivileged("models").stdout
    done = unprivileged("models", "--verbose")
    assert done.returncode == 0, done.stderr
    assert "cannot be read (Permission denied)" in done.stdout
    sentence(unprivileged("models", "verify"), 6)
