"""What lies in a model's place: published, the user's own, damaged, or nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from tests.models.formula import SMALL_TOWER, clip_config
from tests.models.test_heads import aesthetic_tensors, write_aesthetic
from tests.models.torch_reference import write_tower

from nemo_curator.errors import OutputExistsError
from nemo_curator.models import registry
from nemo_curator.models.inventory import check, lying, to_fetch
from nemo_curator.models.spec import PublishedFile, UserWeights

PLACE = "o/m"
AESTHETIC, LARGE = "sac-logos-ava1-l14-linearMSE", "clip-vit-large-patch14"


def published(**contents):
    """A model whose published files have these contents; its weights may be `w.bin` or `v.bin`, the first wins."""
    files = tuple(
        PublishedFile(name, len(data), hashlib.sha256(data).hexdigest() if data else "")
        for name, data in {name.replace("_", "."): data for name, data in contents.items()}.items()
    )
    return UserWeights(f"{PLACE}/w.bin", "the moon", instead=("v.bin",), beside=("c.json",), files=files)


@pytest.fixture
def folder(tmp_path):
    """The folder of that model, and the directory of all."""
    (tmp_path / PLACE).mkdir(parents=True)
    return tmp_path / PLACE


def states(weights, models):
    """Name of each file to what is said of it."""
    return {one.name: one.state for one in lying(weights, models)}


def test_files_are_compared_by_their_bytes(folder, tmp_path):
    """Missing, published, another one, and one of which nothing is known."""
    weights = published(c_json=b"{}", w_bin=b"weights")
    assert states(weights, tmp_path) == {"c.json": "missing", "w.bin": "missing"}
    (folder / "c.json").write_bytes(b"{ }")
    (folder / "w.bin").write_bytes(b"weights")
    assert states(weights, tmp_path) == {"c.json": "other", "w.bin": "published"}
    assert states(published(c_json=b"", w_bin=b""), tmp_path) == {"c.json": "unknown", "w.bin": "unknown"}
    (one,) = [one for one in lying(weights, tmp_path) if one.name == "w.bin"]
    assert (one.size, one.sha256) == (7, hashlib.sha256(b"weights").hexdigest())


def test_a_change_is_seen_that_leaves_times_and_length(folder, tmp_path):
    """Bytes that rot under an old time of writing are hashed anew, not looked up."""
    import os

    weights = published(w_bin=bytes(3_000_000), c_json=b"{}")
    path = folder / "w.bin"
    path.write_bytes(bytes(3_000_000))
    assert states(weights, tmp_path)["w.bin"] == "published"
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(weights, tmp_path)["w.bin"] == "other"


def test_published_bytes_under_another_accepted_name(folder, tmp_path):
    """They are recognised, and need not be fetched again; their settings still are."""
    weights = published(c_json=b"{}", w_bin=b"weights")
    (folder / "v.bin").write_bytes(b"weights")
    found = lying(weights, tmp_path)
    assert {one.name: one.state for one in found} == {"c.json": "missing", "w.bin": "missing", "v.bin": "published"}
    assert [file.name for file in to_fetch(weights, found, replace=False)] == ["c.json"]


def test_only_what_is_missing_is_fetched(folder, tmp_path):
    """A file that is there as published stays; one of which nothing is known stays, until replacing is asked for."""
    weights = published(c_json=b"", w_bin=b"weights")
    assert [file.name for file in to_fetch(weights, lying(weights, tmp_path), replace=False)] == ["c.json", "w.bin"]
    (folder / "w.bin").write_bytes(b"weights")
    (folder / "c.json").write_bytes(b"anything")
    found = lying(weights, tmp_path)
    assert to_fetch(weights, found, replace=False) == []
    assert [file.name for file in to_fetch(weights, found, replace=True)] == ["c.json"]


def test_a_file_of_the_users_own_is_not_replaced_without_being_told(folder, tmp_path):
    """It is refused by name with the option that replaces it."""
    weights = published(c_json=b"{}", w_bin=b"weights")
    (folder / "w.bin").write_bytes(b"mine")
    found = lying(weights, tmp_path)
    with pytest.raises(OutputExistsError, match=r"w\.bin: not the published bytes .*--replace"):
        to_fetch(weights, found, replace=False)
    assert [file.name for file in to_fetch(weights, found, replace=True)] == ["c.json", "w.bin"]


@pytest.mark.parametrize("replace_them", [False, True])
def test_a_file_that_would_be_used_before_the_published_one(folder, tmp_path, replace_them):
    """Fetching beside it would change nothing, so that it is refused, whatever is asked for."""
    weights = published(c_json=b"{}", v_bin=b"weights")
    (folder / "w.bin").write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"w\.bin is there, and is used before the published v\.bin"):
        to_fetch(weights, lying(weights, tmp_path), replace=replace_them)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "open-nsfw"])
def test_a_packaged_model_is_as_published(name):
    """Its hash is the pinned one, and it can be read."""
    found = check(registry.get_spec(name))
    assert (found.state, found.problem) == ("published", "")
    assert [one.state for one in found.files] == ["published"]


def test_a_tower_of_the_users_own_is_readable(tmp_path):
    """Files of another hash than the published ones are told as such, and are no fault."""
    write_tower(tmp_path / "openai" / LARGE, clip_config(14, 768, **SMALL_TOWER))
    found = check(registry.get_spec(LARGE), tmp_path)
    assert (found.state, found.problem) == ("other", "")
    assert {one.name: one.state for one in found.files}["model.safetensors"] == "other"


def test_weights_that_cannot_be_read_are_damaged(tmp_path):
    """A truncated file, one of other shapes, and one whose settings are missing: each with the reason."""
    spec = registry.get_spec(AESTHETIC)
    write_aesthetic(tmp_path, aesthetic_tensors())
    path = tmp_path / spec.weights.file
    assert check(spec, tmp_path).state == "unknown"
    path.write_bytes(path.read_bytes()[:-100])
    found = check(spec, tmp_path)
    assert found.state == "damaged"
    assert "not readable as safetensors" in found.problem
    tensors = aesthetic_tensors()
    write_aesthetic(tmp_path / "b", tensors | {"layers.0.weight": tensors["layers.0.weight"][:, :512].copy()})
    assert "expected floats [1024, 768]" in check(spec, tmp_path / "b").problem
    (tmp_path / "openai" / LARGE).mkdir(parents=True)
    (tmp_path / "openai" / LARGE / "model.safetensors").write_bytes(b"w")
    found = check(registry.get_spec(LARGE), tmp_path)
    assert found.state == "damaged"
    assert "this file is missing: config.json" in found.problem


def test_a_pinned_file_with_other_bytes_is_damaged(tmp_path):
    """Where a run refuses another hash, so does the check."""
    spec = registry.get_spec("sa_0_4_vit_b_32_linear")
    path = tmp_path / spec.weights.file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    found = check(spec, tmp_path)
    assert found.state == "damaged"
    assert "not the pinned ones" in found.problem
    assert [one.state for one in found.files] == ["other"]


def test_what_is_not_there_is_missing(tmp_path):
    """With a directory, without one, and for a package that is not installed."""
    for model_dir in (tmp_path, None):
        found = check(registry.get_spec(LARGE), model_dir)
        assert found.state == "missing"
        assert "model.safetensors" in found.problem
    spec = registry.get_spec("open-nsfw")
    assert check(replace(spec, weights=replace(spec.weights, package="no_such_package"))).state == "missing"


def test_only_the_weights_that_are_used_are_judged(tmp_path):
    """Weights in two formats: the one that a run takes counts."""
    spec = registry.get_spec("clip-vit-base-patch32")
    folder = tmp_path / "openai" / spec.name
    write_tower(folder, clip_config(32, 512, **SMALL_TOWER))
    (folder / "pytorch_model.bin").write_bytes(b"not used")
    found = check(spec, tmp_path)
    assert found.state == "other"
    assert "pytorch_model.bin" not in {one.name for one in found.files}
