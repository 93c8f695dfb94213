from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.models.hub import fetch
from nemo_curator.models.weights import (
    expect_shapes,
    find_weights,
    package_file,
    read_safetensors,
    sampled_sha256,
    sha256_of,
    verify_sha256,
)


def test_safetensors_are_read_by_name_and_prefix(tmp_path):
    """All tensors, or only those of one part of a large model."""
    tensors = {"a.x": np.arange(3, dtype=np.float32), "b.y": np.ones((2, 2), np.float16)}
    save_file(tensors, tmp_path / "m.safetensors")
    assert set(read_safetensors(tmp_path / "m.safetensors")) == {"a.x", "b.y"}
    part = read_safetensors(tmp_path / "m.safetensors", ("b.",))
    np.testing.assert_array_equal(part["b.y"], tensors["b.y"])
    assert list(part) == ["b.y"]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, (1 << 60).to_bytes(8, "little") + b"{}"])
def test_a_damaged_safetensors_file_is_refused(tmp_path, content):
    """Garbage and a header that claims to be endless are one clear error with the file's name."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"m\.safetensors.*not readable as safetensors"):
        read_safetensors(path)


def test_a_truncated_safetensors_file_is_refused(tmp_path):
    """A download that stopped is no model."""
    path = tmp_path / "m.safetensors"
    save_file({"a": np.zeros(100, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError):
        read_safetensors(path)


def test_a_missing_file_is_its_own_error(tmp_path):
    """Readers and hashing say that there is no such file."""
    for read in (read_safetensors, sha256_of, sampled_sha256):
        with pytest.raises(WeightsNotFoundError, match="no such weight file"):
            read(tmp_path / "none")


def test_a_digest_is_computed_once_and_again_after_a_change(tmp_path):
    """The hash is remembered for a file that stays as it is."""
    path = tmp_path / "w"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    assert sha256_of(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, ns=(2, 2))
    assert sha256_of(path) == hashlib.sha256(b"two").hexdigest()


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path):
    """The error shows both digests and what to do."""
    path = tmp_path / "w"
    path.write_bytes(b"other")
    with pytest.raises(WeightsError, match="not the pinned ones") as caught:
        verify_sha256(path, "0" * 64)
    assert "0" * 64 in str(caught.value)
    assert caught.value.act


def test_a_missing_weight_file_names_what_to_put_where(tmp_path):
    """The sentence holds the full path and the origin."""
    with pytest.raises(WeightsNotFoundError) as caught:
        find_weights(tmp_path, "a/b.bin", origin="the moon")
    assert str(tmp_path / "a" / "b.bin") in str(caught.value)
    assert "put the file b.bin there, from the moon" in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(WeightsNotFoundError, match=r"DIR/a/b\.bin"):
        find_weights(None, "a/b.bin", origin="the moon")


def test_a_package_file_is_found_without_importing_the_package(tmp_path, monkeypatch):
    """A package whose import would fail still gives its file."""
    (tmp_path / "carrier_of_weights").mkdir()
    (tmp_path / "carrier_of_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "carrier_of_weights" / "w.bin").write_bytes(b"w")
    monkeypatch.syspath_prepend(tmp_path)
    found = package_file("carrier_of_weights", "w.bin")
    assert found is not None
    assert found.read_bytes() == b"w"
    assert package_file("carrier_of_weights", "v.bin") is None
    assert package_file("no_such_package_anywhere", "w.bin") is None


def test_shapes_types_and_numbers_are_checked():
    """A missing tensor, a wrong shape, integers and NaN are refused by name; extra tensors are left out."""
    good = {"w": np.ones((2, 3), np.float16), "extra": np.zeros(1)}
    checked = expect_shapes(good, {"w": (2, 3)}, where="file")
    assert list(checked) == ["w"]
    assert checked["w"].dtype == np.float32
    for bad, message in [
        ({}, "no tensor 'w' of shape"),
        ({"w": np.ones((3, 2), np.float32)}, r"\[3, 2\], expected floats \[2, 3\]"),
        ({"w": np.ones((2, 3), np.int64)}, "int64"),
        ({"w": np.full((2, 3), np.nan, np.float32)}, "NaN or infinity"),
    ]:
        with pytest.raises(WeightsError, match=message):
            expect_shapes(bad, {"w": (2, 3)}, where="file")


def test_fetching_leaves_files_alone_and_says_what_is_missing(tmp_path, monkeypatch):
    """Files that are there are not fetched; without the hub's client the error names files and folder."""
    (tmp_path / "o" / "r").mkdir(parents=True)
    (tmp_path / "o" / "r" / "a").write_bytes(b"mine")
    assert fetch(tmp_path, "o/r", ("a",)) == [tmp_path / "o" / "r" / "a"]
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WeightsNotFoundError, match="weights are missing: b") as caught:
        fetch(tmp_path, "o/r", ("a", "b"))
    assert str(tmp_path / "o" / "r") in str(caught.value)
    assert "huggingface_hub is not installed" in str(caught.value)


def test_fetching_uses_the_hub_client_where_it_is_installed(tmp_path, monkeypatch):
    """The client is asked for what is missing, into the layout that users have; its failure is our error."""
    (tmp_path / "huggingface_hub.py").write_text(
        "import pathlib\n"
        "def hf_hub_download(repo_id, filename, local_dir):\n"
        "    if filename == 'bad': raise ConnectionError('no network')\n"
        "    path = pathlib.Path(local_dir); path.mkdir(parents=True, exist_ok=True)\n"
        "    (path / filename).write_text(repo_id)\n"
    )
    monkeypatch.delitem(__import__("sys").modules, "huggingface_hub", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (path,) = fetch(tmp_path / "models", "o/r", ("a",))
    assert path.read_text() == "o/r"
    with pytest.raises(WeightsNotFoundError, match="no network"):
        fetch(tmp_path / "models", "o/r", ("bad",))
    monkeypatch.delitem(__import__("sys").modules, "huggingface_hub", raising=False)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5_000_000, 12_000_000])
def test_sampled_digests_tell_files_apart(tmp_path, size):
    """A file's digest is the same elsewhere, and another one where its first, last or a sampled byte, or length, is."""
    path = tmp_path / "w"
    data = bytearray(np.random.default_rng(size).bytes(size))
    path.write_bytes(data)
    found = {sampled_sha256(path)}
    (tmp_path / "copy").write_bytes(data)
    assert sampled_sha256(tmp_path / "copy") in found
    path.write_bytes(data + b"x")
    found.add(sampled_sha256(path))
    places = sorted({0, size - 1, (size - 65_536) // 63 + 10}) if size else []
    places = [place for place in places if 0 <= place < size]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        found.add(sampled_sha256(path))
    assert len(found) == 2 + len(places)


def test_sampled_digest_of_a_large_file_is_quick(tmp_path):
    """Of a file of a hundred gigabytes (with nothing in it) only 64 pieces are read."""
    path = tmp_path / "w"
    with path.open("wb") as file:
        file.truncate(100_000_000_000)
    assert len(sampled_sha256(path)) == 64
