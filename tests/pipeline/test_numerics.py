"""How a run settles in which precision its models are computed."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from tests.cli.processes import imagecurator, pictures, sentence, tree
from tests.models.formula import SMALL_TOWER, clip_config, clip_tensors
from tests.models.tiny_towers import TOWERS
from tests.models.torch_reference import write_tower

from nemo_curator.models import numerics
from nemo_curator.models.numerics import candidates
from nemo_curator.planning.numerics import settled_in
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.runs.state import RunState

NAME = "clip-vit-base-patch32"
SCORE = ("--scores", "embedding", "--set", f"models.embedding={NAME}")
IMAGES = 70

pytestmark = pytest.mark.skipif(
    len(candidates(("int8", "bf16"), None)) == 1, reason="this CPU or installation has no precision but fp32"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Enough pictures for a trial."""
    return pictures(tmp_path_factory.mktemp("in"), IMAGES)


@pytest.fixture
def model_dir(tmp_path, monkeypatch):
    """A small tower in the place of CLIP ViT-B/32."""
    models = tmp_path / "models"
    write_tower(models / "openai" / NAME, clip_config(32, 512, **SMALL_TOWER))
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(models))
    return models


def score(folder, run, *arguments):
    """Score a folder, which must succeed; what was said."""
    done = imagecurator("score", folder, run, *SCORE, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def settled(run):
    """What a run has on record for the tower."""
    return settled_in(RunState.require(RunDirectory(str(run))).facts)[NAME]


def planned(run):
    """The model that a run's plan says its embeddings are of."""
    return RunState.require(RunDirectory(str(run))).column_facts("embedding")["model"]


def write_with_outliers(models):
    """The tower with a layer whose inputs have single numbers a thousand times as large as the others, as real ones.

    They cancel in the product, so that in full precision it gives what the others say, and whole numbers lose that.
    """
    folder = models / "openai" / NAME
    config = json.loads((folder / "config.json").read_text())
    tensors = clip_tensors(config)
    for layer in range(config["vision_config"]["num_hidden_layers"]):
        prefix = f"vision_model.encoder.layers.{layer}"
        for norm in ("layer_norm1", "layer_norm2"):
            tensors[f"{prefix}.{norm}.bias"][:2] = 3000
        for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.fc1"):
            weight = tensors[f"{prefix}.{name}.weight"]
            weight[:, 1] = -weight[:, 0]
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, folder / "model.safetensors")


def test_the_fastest_precision_that_agrees_is_taken_and_recorded(folder, tmp_path, model_dir):
    """A trial on the user's images settles it; the figures stand in `run.json`, and the plan has what was settled."""
    said = score(folder, tmp_path / "run")
    found = settled(tmp_path / "run")
    assert f"trying lower precisions of {NAME}" in said
    assert found.numerics == candidates(("int8", "bf16"), None)[0]
    assert found.tried[-1]["images"] == IMAGES // 4
    assert 0.999 <= found.tried[-1]["cosine"] < 1
    assert found.sentence(NAME) in said
    assert (planned(tmp_path / "run")["runtime"], planned(tmp_path / "run")["precision"]) == (
        found.numerics.runtime,
        found.numerics.precision,
    )


def test_the_figures_are_told_by_status(folder, tmp_path, model_dir):
    """For each model how and why it is computed so, and the figures of each way that was tried, as text and JSON."""
    write_with_outliers(model_dir)
    score(folder, tmp_path / "run")
    found = settled(tmp_path / "run")
    (told,) = json.loads(imagecurator("status", tmp_path / "run", "--json").stdout)["models"]
    assert (told["model"], told["columns"]) == (NAME, ["embedding"])
    assert (told["runtime"], told["precision"]) == (found.numerics.runtime, found.numerics.precision)
    assert told["tried"] == [dict(one) for one in found.tried]
    assert told["tried"][0].keys() >= {"cosine", "drift", "changed", "seconds", "enough"}
    assert told["why"] == found.sentence(NAME)
    lines = imagecurator("status", tmp_path / "run").stdout.splitlines()
    assert f"{found.sentence(NAME)} (embedding)" in lines
    assert len([line for line in lines if found.sentence(NAME) in line]) == 1
    for one in found.tried:
        (line,) = [line for line in lines if line.startswith(f"{one['precision']} on {one['runtime']}")]
        assert f"{one['cosine']:.6f}" in line
        assert f"{1000 * one['seconds']:.1f}" in line
        assert "0.000000" not in line  # a drift is of scores, and no head is asked for
    (line,) = [line for line in lines if line.startswith(f"fp32 on {found.numerics.runtime}")]
    assert f"{1000 * found.tried[0]['fp32_seconds']:.1f}" in line


def test_outliers_are_found(folder, tmp_path, model_dir):
    """Weights whose activations whole numbers cannot hold are not computed in them, however fast that would be."""
    write_with_outliers(model_dir)
    score(folder, tmp_path / "run")
    found = settled(tmp_path / "run")
    assert found.numerics.precision != "int8"
    assert found.tried[0]["enough"] is False
    assert found.tried[0]["cosine"] < 0.999


def test_it_is_settled_once(folder, tmp_path, model_dir):
    """What is added to the input later is computed as before, without another trial."""
    growing = tmp_path / "in"
    shutil.copytree(folder, growing)
    score(growing, tmp_path / "run")
    before = settled(tmp_path / "run")
    shutil.copy(growing / "000.jpg", growing / "zzz.jpg")
    said = score(growing, tmp_path / "run")
    assert "trying" not in said
    assert settled(tmp_path / "run") == before


def test_two_runs_settle_the_same(folder, tmp_path, model_dir):
    """The same input and weights give the same choice, and embeddings of the same bytes."""
    score(folder, tmp_path / "one")
    score(folder, tmp_path / "two")
    assert settled(tmp_path / "one").numerics == settled(tmp_path / "two").numerics
    assert tree(tmp_path / "one" / "embeddings") == tree(tmp_path / "two" / "embeddings")


def test_a_machine_that_cannot_honour_it_refuses(folder, tmp_path, model_dir, monkeypatch):
    """A run that was begun in a lower precision does not go on in another one in silence."""
    growing = tmp_path / "in"
    shutil.copytree(folder, growing)
    score(growing, tmp_path / "run")
    before = tree(tmp_path / "run")
    monkeypatch.setattr(numerics, "cpu_flags", frozenset)
    shutil.copy(growing / "000.jpg", growing / "zzz.jpg")
    said = sentence(imagecurator("score", growing, tmp_path / "run", *SCORE), 6)
    assert "is not computed by" in said
    assert tree(tmp_path / "run") == before


def test_a_recipe_may_say_it(folder, tmp_path, model_dir):
    """With a precision of one's own nothing is tried; another one later makes the stored embeddings stale."""
    said = score(folder, tmp_path / "run", "--set", "inference.precision=fp32")
    assert "trying" not in said
    assert planned(tmp_path / "run")["precision"] == "fp32"
    assert settled(tmp_path / "run").tried == ()
    lower = candidates(("int8", "bf16"), None)[0].precision
    again = ("score", folder, tmp_path / "run", *SCORE, "--set", f"inference.precision={lower}")
    assert f"model.precision: fp32 → {lower}" in sentence(imagecurator(*again), 4)
    assert imagecurator(*again, "--rescore").returncode == 0
    assert planned(tmp_path / "run")["precision"] == lower


def test_rescoring_settles_it_anew(tmp_path, model_dir):
    """A run that began with a handful of images, and therefore in full precision, is not bound to that for good."""
    growing = pictures(tmp_path / "in", 5)
    score(growing, tmp_path / "run")
    pictures(growing, IMAGES)
    assert "trying" not in score(growing, tmp_path / "run")
    assert "trying" in score(growing, tmp_path / "run", "--rescore")
    assert settled(tmp_path / "run").numerics == candidates(("int8", "bf16"), None)[0]


def test_what_is_in_force_no_more_is_forgotten(folder, tmp_path, model_dir):
    """When the recipe sets a precision later, the figures of the trial do not stand beside embeddings of another."""
    score(folder, tmp_path / "run")
    assert settled(tmp_path / "run").tried
    score(folder, tmp_path / "run", "--rescore", "--set", "inference.precision=fp32")
    assert settled(tmp_path / "run").tried == ()
    asked = ("inference.precision=fp32", "inference.runtime=onnxruntime")
    score(folder, tmp_path / "run", "--rescore", *[word for one in asked for word in ("--set", one)])
    assert NAME not in settled_in(RunState.require(RunDirectory(str(tmp_path / "run"))).facts)


ASKED = ("--set", "inference.precision=fp32")


def growing_run(tmp_path, monkeypatch, begun, later):
    """A run in full precision that began with some runtimes, and another image where others are installed."""
    pytest.importorskip("openvino", reason="there is one runtime only (extra openvino)")
    growing = pictures(tmp_path / "in", 3)
    monkeypatch.setattr(numerics, "runtimes", lambda: begun)
    score(growing, tmp_path / "run", *ASKED)
    assert settled(tmp_path / "run").numerics.runtime == begun[0]
    shutil.copy(growing / "000.jpg", growing / "zzz.jpg")
    monkeypatch.setattr(numerics, "runtimes", lambda: later)
    return growing


def test_the_runtime_of_a_precision_that_was_asked_for_is_held(tmp_path, model_dir, monkeypatch):
    """A run goes on by the runtime that it was begun by, where a faster one is installed since."""
    growing = growing_run(tmp_path, monkeypatch, ("onnxruntime",), ("openvino", "onnxruntime"))
    assert "trying" not in score(growing, tmp_path / "run", *ASKED)
    assert planned(tmp_path / "run")["runtime"] == "onnxruntime"
    assert settled(tmp_path / "run").why == "the recipe asks for that precision"


def test_a_runtime_that_is_gone_is_named(tmp_path, model_dir, monkeypatch):
    """Where the runtime that a run was begun by is not installed, it is named in one sentence, and the run stays."""
    growing = growing_run(tmp_path, monkeypatch, ("openvino", "onnxruntime"), ("onnxruntime",))
    before = tree(tmp_path / "run")
    said = sentence(imagecurator("score", growing, tmp_path / "run", *SCORE, *ASKED), 6)
    assert "the runtime openvino is not installed (the run was begun in fp32 on openvino" in said
    assert tree(tmp_path / "run") == before
    score(growing, tmp_path / "run", *ASKED, "--rescore")
    assert planned(tmp_path / "run")["runtime"] == "onnxruntime"


def test_a_small_input_stays_in_full_precision(tmp_path, model_dir):
    """A trial on a handful of images would cost more than it saves."""
    said = score(pictures(tmp_path / "in", 5), tmp_path / "run")
    assert "trying" not in said
    assert planned(tmp_path / "run")["precision"] == "fp32"
    assert settled(tmp_path / "run").why == "there are too few images for a trial to pay"


def test_an_input_of_broken_files_proves_nothing(tmp_path, model_dir):
    """Where hardly anything can be read, full precision stays, and it is said why."""
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(IMAGES):
        (folder / f"{index:03}.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    score(folder, tmp_path / "run")
    assert settled(tmp_path / "run").numerics.precision == "fp32"
    assert "only 0 of the images" in settled(tmp_path / "run").why


def test_damaged_weights_are_said_before_anything_is_scored(folder, tmp_path, model_dir):
    """The trial reads the weights; what is wrong with them is one sentence, and nothing is scored."""
    weights = model_dir / "openai" / NAME / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "not readable as safetensors" in sentence(imagecurator("score", folder, tmp_path / "run", *SCORE), 6)
    assert not list((tmp_path / "run").glob("parts/*"))


def test_a_dry_run_tries_nothing(folder, tmp_path, model_dir):
    """It reads no image, and writes nothing."""
    done = imagecurator("score", folder, tmp_path / "run", *SCORE, "--dry-run")
    assert done.returncode == 0
    assert "trying" not in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("count", [5, IMAGES])
def test_a_model_named_by_its_place_is_found_where_the_command_says(tmp_path, monkeypatch, count):
    """No variable is needed beside `--model-dir`, be there a trial or not."""
    monkeypatch.delenv("IMAGECURATOR_MODEL_DIR", raising=False)
    TOWERS["clip"].write(tmp_path / "models" / "owner" / "own")
    folder = pictures(tmp_path / "in", count)
    asked = ("--model", "owner/own", "--model-dir", tmp_path / "models")
    done = imagecurator("embed", folder, tmp_path / "out", *asked)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "embeddings.json").read_text())["dimension"] == TOWERS["clip"].dimension
    assert imagecurator("models", "verify", "owner/own", "--model-dir", tmp_path / "models").returncode == 0


def test_rescoring_leaves_what_this_machine_cannot_compute(folder, tmp_path, model_dir, monkeypatch):
    """A run that was begun in int8 goes on elsewhere in full precision, if that is asked for."""
    score(folder, tmp_path / "run")
    monkeypatch.setattr(numerics, "cpu_flags", frozenset)
    assert imagecurator("score", folder, tmp_path / "run", *SCORE).returncode == 6
    score(folder, tmp_path / "run", "--rescore")
    assert planned(tmp_path / "run")["precision"] == "fp32"
