"""Fetching published files from a hub, which is a server of our own on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.models.hub_server import COMMIT, REPOSITORY, serving, sha256

from nemo_curator import storage
from nemo_curator.errors import LockedError, ModelError, StorageError, WeightsError, WeightsNotFoundError
from nemo_curator.models.aesthetics import AestheticScorer
from nemo_curator.models.clip import CLIPImageEmbeddings
from nemo_curator.models.hub import bring, fetch, required_directory
from nemo_curator.models.nsfw import NSFWScorer
from nemo_curator.models.spec import PublishedFile, UserWeights

ADDRESS = "https://hub.example/somebody/a-model"
CONFIG, WEIGHTS = b'{"width": 3}', bytes(range(256)) * 400
HUB_ENVIRONMENT = ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_XET")

FETCH = """
import json, sys
from nemo_curator.models.hub import fetch
from nemo_curator.models.spec import PublishedFile, UserWeights
facts = json.loads(sys.argv[1])
facts["files"] = tuple(PublishedFile(*one) for one in facts["files"])
{before}
fetch(UserWeights(**facts), sys.argv[2])
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with a configuration and a weight file, which the client asks instead of the real one."""
    pytest.importorskip("huggingface_hub", reason="the client of the hub (extra hub) is not installed")
    for name in HUB_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        hub.add("config.json", CONFIG)
        hub.add("model.safetensors", WEIGHTS)
        hub.large.add("model.safetensors")
        yield hub


@pytest.fixture
def models(tmp_path):
    """A directory for models, which is not there yet."""
    return tmp_path / "models"


def published(*files, **changes):
    """The model that the hub has, with files as they are given, else as they are."""
    known = [PublishedFile(name, len(data), sha256(data)) for name, data in contents().items()]
    facts = {
        "file": f"{REPOSITORY}/model.safetensors",
        "origin": f"the hub repository {REPOSITORY}",
        "files": files or tuple(known),
        "repository": REPOSITORY,
        "revision": COMMIT,
        "address": ADDRESS,
    }
    return UserWeights(**(facts | changes))


def contents():
    """Name to content of the published files."""
    return {"config.json": CONFIG, "model.safetensors": WEIGHTS}


def lying(models):
    """Every file under a directory, by its name there, with its content."""
    return {str(path.relative_to(models)): path.read_bytes() for path in models.rglob("*") if path.is_file()}


def whole():
    """The directory of models when everything is in place."""
    return {f"{REPOSITORY}/{name}": data for name, data in contents().items()}


def fetching(weights, models, before=""):
    """The command line of a process of its own that fetches."""
    facts = {
        "file": weights.file,
        "origin": weights.origin,
        "files": [[file.name, file.size, file.sha256] for file in weights.files],
        "repository": weights.repository,
        "revision": weights.revision,
        "address": weights.address,
    }
    return [sys.executable, "-c", FETCH.format(before=before), json.dumps(facts), str(models)]


def test_files_come_whole_and_nothing_else_stays(hub, models):
    """The files of the pinned commit lie under the repository's name, without anything of the client's beside them."""
    assert fetch(published(), models) == [models / REPOSITORY / name for name in contents()]
    assert lying(models) == whole()
    assert [path.name for path in models.iterdir()] == ["somebody"]
    assert all(f"/resolve/{COMMIT}/" in path for path in hub.asked("GET"))


def test_what_is_there_is_left_alone(hub, models):
    """A user's own file stays, whatever its bytes; only what is missing is fetched; with all there nobody is asked."""
    (models / REPOSITORY).mkdir(parents=True)
    (models / REPOSITORY / "model.safetensors").write_bytes(b"mine")
    fetch(published(), models)
    assert lying(models) == whole() | {f"{REPOSITORY}/model.safetensors": b"mine"}
    hub.requests.clear()
    fetch(published(), models)
    assert hub.requests == []


def test_nothing_but_files_is_asked_for(hub, models, monkeypatch):
    """The client's telemetry is off, also where it was imported before: no other address, no facts in its name."""
    monkeypatch.setenv("AI_AGENT", "somebody")
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", False)
    fetch(published(), models)
    assert {path.partition("?")[0].rsplit("/", 1)[-1] for _, path, _ in hub.requests} == set(contents())
    assert all("/resolve/" in path for _, path, _ in hub.requests)
    for _, _, headers in hub.requests:
        assert "torch" not in headers["user-agent"]
        assert "agent/" not in headers["user-agent"]
    assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert os.environ["HF_HUB_DISABLE_XET"] == "1"


def test_a_file_in_the_cache_of_the_client_is_copied(hub, models, tmp_path):
    """What another program fetched of that commit is taken from its cache, and the hub is not asked."""
    for name, data in contents().items():
        place = tmp_path / "cache" / "models--somebody--a-model" / "snapshots" / COMMIT / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    fetch(published(), models)
    assert lying(models) == whole()
    assert hub.requests == []


def test_a_damaged_file_in_the_cache_is_not_taken(hub, models, tmp_path):
    """Where the cache holds other bytes than the published ones, the hub's are fetched."""
    place = tmp_path / "cache" / "models--somebody--a-model" / "snapshots" / COMMIT / "model.safetensors"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"damaged")
    fetch(published(), models)
    assert lying(models) == whole()


def says_what_to_put_where(error, models, *names):
    """The error names the files, where they are published, and the folder where they belong."""
    said = str(error)
    assert all(name in said for name in names)
    assert ADDRESS in said
    assert f"into {models / REPOSITORY}" in said


@pytest.mark.parametrize(("status", "reason", "cause"), [
    (404, "EntryNotFound", "does not have the file at the pinned commit"),
    (404, "RevisionNotFound", "does not have the pinned commit any more"),
    (401, "RepoNotFound", "no such repository, or shows it only with the right HF_TOKEN"),
    (403, "GatedRepo", "agree on its page, and set HF_TOKEN"),
    (500, "", "the hub answers with status 500"),
])  # fmt: skip
def test_refusals_of_the_hub(hub, models, status, reason, cause):
    """Each way in which a hub refuses is a sentence with the cause and with what to put where; nothing is left."""
    hub.statuses["model.safetensors"] = (status, reason)
    with pytest.raises(WeightsNotFoundError) as caught:
        fetch(published(), models)
    assert cause in caught.value.cause
    says_what_to_put_where(caught.value, models, "config.json and model.safetensors")
    assert not models.exists()


def test_no_network(hub, models, monkeypatch):
    """Where nobody listens, it is said so, with what to put where."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightsNotFoundError, match="the hub cannot be reached") as caught:
        fetch(published(), models)
    says_what_to_put_where(caught.value, models, "model.safetensors")


def test_offline(hub, models):
    """HF_HUB_OFFLINE=1 is heeded: nobody is asked, and what to put where is said."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        fetching(published(), models), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert "HF_HUB_OFFLINE forbids asking the hub" in done.stderr
    assert f"put config.json and model.safetensors of {ADDRESS} into {models / REPOSITORY}" in done.stderr
    assert hub.requests == []
    assert not models.exists()


def test_the_client_is_not_installed(models, monkeypatch):
    """Without the client the message names the extra, and what to put where."""
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsNotFoundError, match=r"pip install 'imagecurator\[hub\]'") as caught:
        fetch(published(), models)
    says_what_to_put_where(caught.value, models, "config.json and model.safetensors")
    assert not models.exists()


def test_no_directory_is_known(monkeypatch):
    """Without a directory the message says how to name one."""
    monkeypatch.delenv("IMAGECURATOR_MODEL_DIR", raising=False)
    with pytest.raises(WeightsNotFoundError, match="IMAGECURATOR_MODEL_DIR is not set"):
        fetch(published(), None)
    with pytest.raises(ModelError, match="name one with --model-dir DIR"):
        required_directory(None)


def test_the_environment_names_the_directory(hub, models, monkeypatch):
    """IMAGECURATOR_MODEL_DIR stands in for a model_dir that is not given."""
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(models))
    fetch(published(), None)
    assert lying(models) == whole()


def test_other_bytes_than_announced(hub, models):
    """Bytes that are not the published ones are refused with both hashes, and never put into place."""
    hub.sends["model.safetensors"] = tampered = bytes(len(WEIGHTS))
    with pytest.raises(WeightsError, match=r"what came as model\.safetensors is not the published file") as caught:
        fetch(published(), models)
    assert sha256(tampered) in str(caught.value)
    assert sha256(WEIGHTS) in str(caught.value)
    says_what_to_put_where(caught.value, models, "model.safetensors")
    assert lying(models) == {f"{REPOSITORY}/config.json": CONFIG}


def test_fewer_bytes_than_announced(hub, models):
    """A file that ends early is no file, and what is in place by then is not named as missing."""
    hub.sends["model.safetensors"] = WEIGHTS[:1000]
    with pytest.raises((WeightsNotFoundError, WeightsError)) as caught:
        fetch(published(), models)
    says_what_to_put_where(caught.value, models, "model.safetensors")
    assert "config.json" not in str(caught.value)
    assert lying(models) == {f"{REPOSITORY}/config.json": CONFIG}


@pytest.mark.parametrize("file", [
    PublishedFile("model.safetensors", len(WEIGHTS), sha256(b"another")),
    PublishedFile("model.safetensors", len(WEIGHTS) + 1),
])  # fmt: skip
def test_another_file_is_refused_before_it_is_fetched(hub, models, file):
    """Where the hub itself announces another hash or length than the known one, no byte of it is fetched."""
    with pytest.raises(WeightsError, match=r"the hub offers another model\.safetensors than the published one"):
        fetch(published(file), models)
    assert hub.asked("GET") == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_without_a_known_hash_is_compared_with_the_hubs(hub, models, name):
    """Where no hash is known, the hub's own word decides: SHA-256 of a large file, the Git object of a small one."""
    weights = published(PublishedFile(name))
    fetch(weights, models)
    assert lying(models) == {f"{REPOSITORY}/{name}": contents()[name]}
    (models / REPOSITORY / name).unlink()
    hub.sends[name] = b"x" * len(contents()[name])
    with pytest.raises(WeightsError, match="not the published file"):
        fetch(weights, models)
    assert lying(models) == {}


def test_a_token_is_sent_and_never_shown(hub, models, monkeypatch):
    """HF_TOKEN opens what it opens; a hub that echoes it in its refusal does not bring it into a message."""
    token = "hf_" + "secret" * 5
    monkeypatch.setenv("HF_TOKEN", token)
    hub.token = token
    fetch(published(), models)
    assert lying(models) == whole()
    assert all("authorization" not in headers for _, path, headers in hub.requests if path.startswith("cdn/"))
    hub.token = token[::-1]
    with pytest.raises(WeightsNotFoundError) as caught:
        fetch(published(), models.with_name("others"))
    assert token not in str(caught.value)
    from nemo_curator.models.hub_client import HubClient

    assert token not in HubClient().failure(ValueError(f"sent Bearer {token}"))


@pytest.mark.parametrize("variable", ["HF_ENDPOINT", "HTTPS_PROXY"])
def test_the_credentials_of_a_mirror_or_proxy_are_never_shown(hub, models, monkeypatch, variable):
    """Neither the address of a mirror that nobody serves, nor what a proxy's failure tells, shows who may use it."""
    from nemo_curator.models.hub_client import HubClient

    monkeypatch.setenv(variable, "http://me:s3cret-t0ken@127.0.0.1:9")
    for told in ("https://me:s3cret-t0ken@mirror/a", "Basic s3cret-t0ken", "me:s3cret-t0ken refused"):
        assert "s3cret" not in HubClient().failure(ValueError(told))
    monkeypatch.setenv("HF_ENDPOINT", "http://me:s3cret-t0ken@127.0.0.1:9")
    with pytest.raises(WeightsNotFoundError) as caught:
        fetch(published(), models)
    assert "s3cret" not in f"{caught.value}{vars(caught.value)}"


def test_the_log_of_the_client_tells_no_credentials(hub, models):
    """The client logs the address of every failed request; the credentials in it are left out there, too."""
    say = "import logging; from nemo_curator.models.hub_client import HubClient; HubClient(); "
    say += "logging.getLogger('huggingface_hub.utils').warning('asking %s', 'http://me:s3cret-t0ken@127.0.0.1/a')"
    done = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, timeout=60, check=True)
    assert "asking http://…@127.0.0.1/a" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_full_disk(hub, models):
    """When the system refuses to write, that is said, with what to put where, and nothing is left."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    done = subprocess.run(
        fetching(published(), models, before=limit), capture_output=True, text=True, timeout=60, check=False
    )
    assert "StorageError" in done.stderr.splitlines()[-1]
    assert "a limit on file size is reached" in done.stderr
    assert f"put model.safetensors of {ADDRESS} into" in done.stderr
    assert lying(models) == {f"{REPOSITORY}/config.json": CONFIG}


def test_no_room_is_told_before_anything_is_fetched(hub, models):
    """A file that the disk cannot hold is refused by the length that the hub announces."""
    hub.claims["model.safetensors"] = 1 << 60
    with pytest.raises(StorageError, match=r"there is no room for 1,152,921,504\.6 GB") as caught:
        fetch(published(PublishedFile("model.safetensors")), models)
    says_what_to_put_where(caught.value, models, "model.safetensors")
    assert hub.asked("GET") == []


def test_a_place_that_cannot_be_written(hub, tmp_path):
    """A file where the directory should be is a sentence, with what to put where."""
    (tmp_path / "models").write_bytes(b"")
    with pytest.raises(StorageError, match=r"put config\.json and model\.safetensors of"):
        fetch(published(), tmp_path / "models")


def test_a_directory_in_the_place_of_a_file(hub, models):
    """What stands in the way is named, with what to put where."""
    (models / REPOSITORY / "config.json" / "x").mkdir(parents=True)
    with pytest.raises(
        StorageError, match=r"config\.json: cannot be written \(a directory of that name is in the way\)"
    ):
        fetch(published(), models)


def test_a_killed_process_leaves_nothing_under_a_final_name(hub, models):
    """Half a file is in no place; what it left behind is gone after the next try, which brings everything."""
    hub.holds.add("model.safetensors")
    with subprocess.Popen(fetching(published(), models)) as process:
        assert hub.half.wait(60)
        process.send_signal(signal.SIGKILL)
    hub.go_on.set()
    assert (models / REPOSITORY / "model.safetensors").exists() is False
    fetch(published(), models)
    assert lying(models) == whole()


def test_two_processes_fetch_a_file_once(hub, models):
    """The second waits for the first, and finds the files there."""
    processes = [subprocess.Popen(fetching(published(), models)) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert lying(models) == whole()
    assert sorted(Path(path).name for path in hub.asked("GET")) == sorted(contents())


def test_who_does_not_wait_is_told(hub, models):
    """The command is refused while another process fetches into the same directory."""
    with storage.locked(str(models)), pytest.raises(LockedError, match="another imagecurator is at work here"):
        bring(published(), models, published().files)


def test_files_are_replaced_where_that_is_asked_for(hub, models):
    """`bring` puts the published file over another one, and says what it does."""
    (models / REPOSITORY).mkdir(parents=True)
    (models / REPOSITORY / "config.json").write_bytes(b"mine")
    told = []
    bring(published(), models, published().files, tell=told.append)
    assert lying(models) == whole()
    assert told == [f"fetching {models / REPOSITORY / name} from {REPOSITORY}" for name in contents()]


def test_the_public_classes_fetch_their_pinned_commit(hub, models, monkeypatch):
    """CLIP and the aesthetic head ask for the commit that is pinned; of the NSFW head it is said where it is."""
    with pytest.raises(
        WeightsNotFoundError, match="clip-vit-large-patch14/tree/32bd64288804d66eefd0ccbe215aa642df71cc41"
    ):
        CLIPImageEmbeddings.download_weights_on_node(models)
    with pytest.raises(WeightsNotFoundError, match="linearMSE/tree/1e77fa05081323d99725fc40a9bf9f88180490e7"):
        AestheticScorer.download_weights_on_node(models)
    asked = [f"{Path(path).parent.parent.parent.name}@{Path(path).parent.name[:7]}" for path in hub.asked("HEAD")]
    assert asked == ["clip-vit-large-patch14@32bd642", "sac-logos-ava1-l14-linearMSE@1e77fa0"]
    with pytest.raises(WeightsNotFoundError, match=r"files/10250461/clip_autokeras_binary_nsfw\.zip into") as caught:
        NSFWScorer.download_weights_on_node(models)
    assert str(models / "laion" / "clip-autokeras-binary-nsfw") in str(caught.value)
    assert not models.exists()


@pytest.mark.parametrize("kind", [CLIPImageEmbeddings, AestheticScorer, NSFWScorer])
def test_nothing_is_fetched_to_plan(hub, models, kind):
    """What a plan says of weights that are missing is that they are missing; nobody is asked for them."""
    with pytest.raises(WeightsNotFoundError, match="missing: "):
        kind.provenance(models)
    assert hub.requests == []
    assert not models.exists()
