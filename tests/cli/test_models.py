"""`imagecurator models`, `models get` and `models verify`."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from tests.cli.processes import imagecurator, process, sentence
from tests.models.clip_towers import both_towers, write_both
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.hub_server import serving, sha256
from tests.models.test_heads import aesthetic_tensors, write_aesthetic
from tests.models.torch_reference import write_tower

from nemo_curator import storage
from nemo_curator.models import registry
from nemo_curator.models.spec import PublishedFile

HEAD, COMMIT = "ttj/sac-logos-ava1-l14-linearMSE", "1e77fa05081323d99725fc40a9bf9f88180490e7"
AESTHETIC, BASE = HEAD.partition("/")[2], "clip-vit-base-patch32"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of our own, which has an aesthetic head with numbers of our own at the pinned commit."""
    pytest.importorskip("huggingface_hub", reason="the client of the hub (extra hub) is not installed")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    path = write_aesthetic(tmp_path / "made", aesthetic_tensors())
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        hub.add("model.safetensors", path.read_bytes(), HEAD, COMMIT)
        hub.large.add("model.safetensors")
        yield hub


@pytest.fixture
def models(tmp_path):
    """A directory for models."""
    return tmp_path / "models"


def test_every_model_is_a_line_for_people():
    """One line a model with what it gives, its size, whether it is here, and its licence; what to do is said once."""
    done = imagecurator("models")
    assert done.returncode == 0, done.stderr
    lines = {line.partition("  ")[0]: line.split() for line in done.stdout.split("\n\n")[0].splitlines()[1:]}
    assert list(lines) == [spec.name for spec in registry.specs()]
    for spec in registry.specs():
        assert spec.task in lines[spec.name]
        assert spec.licence in " ".join(lines[spec.name])
        assert ("here" in lines[spec.name]) is registry.availability(spec).ok
    assert " ".join(lines["clip-vit-large-patch14"]) == "clip-vit-large-patch14 embedding 768 1.7 GB get MIT"
    assert lines["sa_0_4_vit_l_14_linear"][-3:] == ["by", "hand", "MIT"]
    assert done.stdout.count("IMAGECURATOR_MODEL_DIR") == 1
    assert len(done.stdout.splitlines()) < len(registry.specs()) + 10
    assert all(len(line) <= 100 for line in done.stdout.splitlines())


def test_every_model_is_listed_in_full():
    """Name, what it is for, input, dimension, licence, where it is or how to get it, and the heads that fit."""
    done = imagecurator("models", "--verbose")
    assert done.returncode == 0, done.stderr
    paragraphs = {text.partition(":")[0].strip(): text for text in done.stdout.split("\n\n")}
    for spec in registry.specs():
        text = paragraphs[spec.name]
        assert spec.task in text
        assert spec.licence in text
        assert "    takes " in text
        assert ("    here: " in text) is registry.availability(spec).ok
    clip = paragraphs["clip-vit-large-patch14"]
    assert "embedding of 768 numbers, MIT, 1.7 GB" in clip
    assert "224 by 224 pixels, the centre of a picture whose short side is 224" in clip
    assert "heads that fit: sac-logos-ava1-l14-linearMSE, sa_0_4_vit_l_14_linear, clip-autokeras-binary-nsfw" in clip
    assert "not here: put the file of the hub repository openai/clip-vit-large-patch14 at MODEL_DIR/" in clip


def test_every_model_is_listed_for_machines(tmp_path):
    """One JSON document with every entry, its pinned commit and files, and whether its weights are here."""
    write_aesthetic(tmp_path, aesthetic_tensors())
    done = process("models", "--json", "--model-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == [spec.name for spec in registry.specs()]
    assert found[AESTHETIC]["ok"]
    assert found[AESTHETIC]["where"] == str(tmp_path / HEAD / "model.safetensors")
    clip = found["clip-vit-large-patch14"]
    assert clip["revision"] == "32bd64288804d66eefd0ccbe215aa642df71cc41"
    assert clip["files"][-1]["sha256"] == "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"
    assert clip["view"]["crop"] == 224
    assert clip["normalisation"]["mean"] == [0.48145466, 0.4578275, 0.40821073]
    assert clip["heads"] == registry.fitting_heads("clip-vit-large-patch14")
    assert not clip["ok"]


def test_get_fetches_verifies_and_says_so(hub, models):
    """As a real process: the file is in its place, the licence is told, and nothing but files is asked for."""
    environment = os.environ | {"AI_AGENT": "somebody", "HF_HUB_DISABLE_TELEMETRY": "0"}
    done = process("models", "get", AESTHETIC, "--model-dir", models, env=environment)
    assert done.returncode == 0, done.stderr
    assert (models / HEAD / "model.safetensors").read_bytes() in hub.files.values()
    assert [path.name for path in models.iterdir()] == ["ttj"]
    assert f"1 file of https://huggingface.co/{HEAD}/tree/{COMMIT}, licence Apache-2.0" in done.stdout
    assert done.stdout.endswith(f"{AESTHETIC}: here, {models / HEAD / 'model.safetensors'}\n")
    assert done.stderr == ""
    assert all(path.rpartition("/")[2] == "model.safetensors" for _, path, _ in hub.requests)
    assert not any(
        "torch" in headers["user-agent"] or "agent/" in headers["user-agent"] for *_, headers in hub.requests
    )


def test_get_twice_asks_once(hub, models):
    """What is there is told, and not fetched again."""
    imagecurator("models", "get", AESTHETIC, "--model-dir", models)
    hub.requests.clear()
    done = imagecurator("models", "get", AESTHETIC, "--model-dir", models)
    assert (done.returncode, done.stdout) == (0, f"{AESTHETIC}: here, {models / HEAD / 'model.safetensors'}\n")
    assert hub.requests == []


def test_get_for_machines(hub, models):
    """`--json` prints what was fetched and what was there, and nothing else."""
    done = imagecurator("models", "get", AESTHETIC, "open-nsfw", "--model-dir", models, "--json")
    found = json.loads(done.stdout)
    assert found["models"][AESTHETIC] == {
        "fetched": [str(models / HEAD / "model.safetensors")], "here": [], "licence": "Apache-2.0"
    }  # fmt: skip
    assert found["models"]["open-nsfw"]["here"][0].endswith("open-nsfw.onnx")


def test_a_dry_run_fetches_nothing(hub, models):
    """It says what would be fetched, asks nobody, and makes no directory."""
    done = imagecurator("models", "get", AESTHETIC, "--model-dir", models, "--dry-run")
    assert done.returncode == 0
    assert "This was a dry run: nothing is fetched." in done.stdout
    assert hub.requests == []
    assert not models.exists()


def test_a_file_of_the_users_own_stays_until_replace(hub, models, monkeypatch):
    """Other bytes than the published ones are code 4 with the option; with it they are replaced."""
    content = next(iter(hub.files.values()))
    spec = registry.get_spec(AESTHETIC)
    known = replace(spec.weights, files=(PublishedFile("model.safetensors", len(content), sha256(content)),))
    monkeypatch.setitem(registry._SPECS, AESTHETIC, replace(spec, weights=known))
    place = models / HEAD / "model.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    said = sentence(imagecurator("models", "get", AESTHETIC, "--model-dir", models), 4)
    assert "not the published bytes" in said
    assert "--replace" in said
    assert place.read_bytes() == b"mine"
    assert imagecurator("models", "get", AESTHETIC, "--model-dir", models, "--replace").returncode == 0
    assert place.read_bytes() == content


def test_get_says_what_to_put_where(hub, models, monkeypatch):
    """A hub without the files, and none at all: code 6 and one sentence with the address and the folder."""
    hub.statuses["config.json"] = (404, "EntryNotFound")
    for endpoint in (hub.address, "http://127.0.0.1:9"):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        said = sentence(imagecurator("models", "get", BASE, "--model-dir", models), 6)
        assert (
            "put config.json, preprocessor_config.json and pytorch_model.bin of https://huggingface.co/openai/" in said
        )
        assert said.endswith(f"/tree/3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268 into {models / 'openai' / BASE}")
        assert not models.exists()


def test_another_file_than_the_pinned_one_is_refused(hub, models):
    """A hub that has other bytes under the pinned name is code 6, and nothing is fetched."""
    commit = registry.get_spec("yunet-s").weights.revision
    hub.add("face_detection_yunet_2023mar.onnx", b"another", "opencv/face_detection_yunet", commit)
    said = sentence(imagecurator("models", "get", "yunet-s", "--model-dir", models), 6)
    assert "the hub offers another face_detection_yunet_2023mar.onnx than the published one" in said
    assert hub.asked("GET") == []


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_head_that_is_on_no_hub_says_where_it_is(models, options):
    """The sentence names the file, the address on GitHub and the folder."""
    said = sentence(imagecurator("models", "get", "sa_0_4_vit_b_32_linear", "--model-dir", models, *options), 6)
    assert "put sa_0_4_vit_b_32_linear.pth of https://github.com/LAION-AI/aesthetic-predictor/raw/main/" in said
    assert said.endswith(f"into {models / 'laion' / 'aesthetic-predictor'}")


def test_get_needs_a_directory_and_a_known_name(models):
    """Each is one sentence with the next act, before anything is done; a model that is only a user's own says so."""
    assert "name one with --model-dir DIR" in sentence(imagecurator("models", "get", BASE), 6)
    said = sentence(imagecurator("models", "get", AESTHETIC, "clip-vit-base-patch23", "--model-dir", models), 6)
    assert "did you mean 'clip-vit-base-patch32'" in said
    said = sentence(imagecurator("models", "get", "yunet-own", "--model-dir", models), 6)
    assert "missing: yunet.onnx" in said
    assert "put it there, from your own training" in said


def test_a_directory_in_use_is_told(hub, models):
    """While another process fetches into the directory, the command is refused with code 4."""
    with storage.locked(str(models)):
        said = sentence(imagecurator("models", "get", AESTHETIC, "--model-dir", models), 4)
    assert "another imagecurator is at work here" in said


def test_verify_tells_published_own_and_absent(tmp_path):
    """Every model that is here gets its state and the hash of each file; a user's own files are no fault."""
    write_tower(tmp_path / "openai" / BASE, clip_config(32, 512, **SMALL_TOWER))
    done = imagecurator("models", "verify", "--model-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "open-nsfw: as published, and readable" in done.stdout
    assert f"{BASE}: readable, but not as published" in done.stdout
    assert "model.safetensors: no hash of a published file is known" in done.stdout
    assert "config.json: another file than the published one (yours?)" in done.stdout
    assert "not here: clip-vit-large-patch14, " in done.stdout


def test_verify_finds_damage(tmp_path):
    """A truncated file is code 6 with the reason, for people and for machines; other models are still checked."""
    path = write_aesthetic(tmp_path, aesthetic_tensors())
    path.write_bytes(path.read_bytes()[:-10])
    done = imagecurator("models", "verify", AESTHETIC, "open-nsfw", "--model-dir", tmp_path)
    assert f"the model {AESTHETIC} cannot be used: {path}: the file is not readable as safetensors" in sentence(done, 6)
    assert "open-nsfw: as published, and readable" in done.stdout
    done = imagecurator("models", "verify", AESTHETIC, "--model-dir", tmp_path, "--json")
    (found,) = json.loads(done.stdout)
    assert (done.returncode, found["state"]) == (6, "damaged")
    assert "not readable as safetensors" in found["problem"]


def test_verify_says_what_embeds_pictures_alone(tmp_path):
    """An image tower without a text tower is usable, and a line says for what; a file that may be absent is no loss."""
    write_tower(tmp_path / "openai" / BASE, clip_config(32, 512, **SMALL_TOWER))
    done = imagecurator("models", "verify", BASE, "--model-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "for pictures alone, no texts (clip_score, clip_prompts, search --text): " in done.stdout
    assert "preprocessor_config.json: missing, and not needed" in done.stdout
    write_both(tmp_path / "openai" / BASE, both_towers(32, 512))
    assert "for pictures alone" not in imagecurator("models", "verify", BASE, "--model-dir", tmp_path).stdout


def test_verify_reads_the_text_tower(tmp_path):
    """Text settings of another model beside the weights are code 6, as they are for a run."""
    write_both(tmp_path / "openai" / BASE, both_towers(32, 512))
    config = both_towers(32, 512, num_hidden_layers=24)
    (tmp_path / "openai" / BASE / "config.json").write_text(json.dumps(config))
    said = sentence(imagecurator("models", "verify", BASE, "--model-dir", tmp_path), 6)
    assert "text_model.encoder.layers.2" in said


def test_verify_of_a_model_that_is_not_here(tmp_path):
    """A model that is asked for by name and is not there is code 6, and says what to put where."""
    said = sentence(imagecurator("models", "verify", "yunet-n", "--model-dir", tmp_path), 6)
    assert "the model yunet-n is not here" in said
    assert "missing: yunet_n_640_640.onnx" in said
    assert "put it there, from libfacedetection.train (folder onnx) (https://github.com/" in said


def test_real_heads_are_as_published(shared_models):
    """The weights that lie beside this checkout are those whose hashes are pinned."""
    done = imagecurator("models", "verify", "--model-dir", shared_models, "--json")
    states = {one["name"]: one["state"] for one in json.loads(done.stdout)}
    assert done.returncode == 0, done.stderr
    assert {states[name] for name in states if name.startswith(("sa_0_4", "yunet-s", "yunet-n"))} == {"published"}
    assert states[AESTHETIC] == states["clip-autokeras-binary-nsfw"] == "unknown"


@pytest.mark.parametrize("name", ["get", "verify"])
def test_help(name):
    """Both commands are listed in the help of `models`, and have a help of their own."""
    assert name in imagecurator("models", "--help").stdout
    assert f"models {name} [OPTIONS]" in " ".join(imagecurator("models", name, "--help").stdout.split())
