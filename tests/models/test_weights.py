from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.models import weights
from nemo_curator.models.weights import (
    expect_shapes,
    model_directory,
    package_file,
    read_safetensors,
    sha256_of,
    verify_sha256,
    weights_sha256,
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
    for read in (read_safetensors, sha256_of, weights_sha256):
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


def test_the_environment_names_the_directory_of_models(tmp_path, monkeypatch):
    """IMAGECURATOR_MODEL_DIR stands in for a model_dir that is not given; one that is given wins; empty is unset."""
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", str(tmp_path / "named"))
    assert model_directory(tmp_path / "given") == tmp_path / "given"
    assert model_directory(None) == tmp_path / "named"
    monkeypatch.setenv("IMAGECURATOR_MODEL_DIR", "")
    assert model_directory(None) is None


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


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of this test alone."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_digests", {})
    return tmp_path / "cache" / "digests"


@pytest.mark.parametrize("size", [300_000, 40_000_000])
def test_a_local_change_of_weights_is_seen(tmp_path, cache, size):
    """200 kB that are rewritten in the middle of a file make other weights of it, whatever its size."""
    path = tmp_path / "w"
    path.write_bytes(bytes(size))
    before = weights_sha256(path)
    assert before == hashlib.sha256(bytes(size)).hexdigest()
    with path.open("r+b") as file:
        file.seek(50_000)
        file.write(b"x" * 200_000)
    assert weights_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest() != before


def test_large_weights_are_read_once(tmp_path, cache, monkeypatch):
    """Another process takes the hash of a large file from the cache, until the file is written again."""
    path = tmp_path / "w"
    path.write_bytes(bytes(2_000_000))
    digest = weights_sha256(path)
    (kept,) = cache.iterdir()
    assert kept.read_text() == digest
    monkeypatch.setattr(weights, "_digests", {})
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert weights_sha256(path) == digest
    path.write_bytes(b"x" * 2_000_000)
    os.utime(path, ns=(5, 5))
    assert weights_sha256(path) == hashlib.sha256(b"x" * 2_000_000).hexdigest()


@pytest.mark.parametrize("content", [b"", b"torn", b"g" * 64])
def test_a_torn_entry_of_the_cache_is_not_believed(tmp_path, cache, monkeypatch, content):
    """What is no hash is computed and written again."""
    path = tmp_path / "w"
    path.write_bytes(bytes(2_000_000))
    digest = weights_sha256(path)
    (kept,) = cache.iterdir()
    kept.write_bytes(content)
    monkeypatch.setattr(weights, "_digests", {})
    assert weights_sha256(path) == digest
    assert kept.read_text() == digest


@pytest.mark.parametrize("name", ["IMAGECURATOR_CACHE", "HOME"])
def test_weights_are_hashed_without_a_cache(tmp_path, cache, monkeypatch, name):
    """Where no cache can be written, or the user has no home, the hash is the same and nothing fails."""
    path = tmp_path / "w"
    path.write_bytes(bytes(2_000_000))
    (tmp_path / "file").write_text("no folder")
    monkeypatch.delenv("IMAGECURATOR_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(name, str(tmp_path / "file"))
    assert weights_sha256(path) == hashlib.sha256(bytes(2_000_000)).hexdigest()


def test_weights_are_verified_against_the_file_itself(tmp_path, cache):
    """A wrong hash in the cache vouches for no file that is pinned."""
    path = tmp_path / "w"
    path.write_bytes(bytes(2_000_000))
    weights_sha256(path)
    (kept,) = cache.iterdir()
    kept.write_text("0" * 64)
    weights._digests.clear()  # as in another process
    with pytest.raises(WeightsError, match="not the pinned ones"):
        verify_sha256(path, "0" * 64)
