from __future__ import annotations

import os
from pathlib import Path

import pytest

from nemo_curator.models.graph_cache import cache_dir, cached_graph


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A cache of its own and a builder that counts its calls."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "cache"))
    calls = []

    def build():
        calls.append(1)
        return b"graph" * 100

    return calls, build


def test_a_graph_is_built_once(built):
    """The second time it comes from the cache, which holds two files and no temporary one."""
    calls, build = built
    assert cached_graph("b", 1, "s", build) == cached_graph("b", 1, "s", build) == b"graph" * 100
    assert len(calls) == 1
    assert sorted(path.suffix for path in cache_dir().iterdir()) == [".onnx", ".sha256"]


@pytest.mark.parametrize("other", [("c", 1, "s"), ("b", 2, "s"), ("b", 1, "t")])
def test_another_builder_version_or_weights_are_another_entry(built, other):
    """Whatever goes into a graph is part of its name."""
    calls, build = built
    cached_graph("b", 1, "s", build)
    cached_graph(*other, build)
    assert len(calls) == 2


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "no seal", "other seal"])
def test_a_damaged_entry_is_built_again(built, damage):
    """What does not match its digest is never used, and is put right."""
    calls, build = built
    cached_graph("b", 1, "s", build)
    (graph,) = cache_dir().glob("*.onnx")
    (seal,) = cache_dir().glob("*.sha256")
    if damage == "flip":
        graph.write_bytes(b"x" + graph.read_bytes()[1:])
    elif damage == "no seal":
        seal.unlink()
    elif damage == "other seal":
        seal.write_text("0" * 64)
    else:
        graph.write_bytes(b"gr" if damage == "cut" else b"")
    assert cached_graph("b", 1, "s", build) == b"graph" * 100
    assert cached_graph("b", 1, "s", build) == b"graph" * 100
    assert len(calls) == 2


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch, built):
    """A file where the directory should be, as a read-only disk: graphs are built in memory."""
    calls, build = built
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert cached_graph("b", 1, "s", build) == b"graph" * 100
    assert len(calls) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_costs_only_time(tmp_path, monkeypatch, built):
    """The same with permissions."""
    calls, build = built
    (tmp_path / "locked").mkdir(mode=0o555)
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "locked"))
    assert cached_graph("b", 1, "s", build) == b"graph" * 100
    assert calls == [1]


def test_a_failed_write_leaves_nothing_behind(monkeypatch, built):
    """A disk that fills up while writing loses the temporary file too."""
    _, build = built
    real = Path.replace

    def refuse(self, target):
        if self.name.startswith("."):
            raise OSError(28, "no space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    assert cached_graph("b", 1, "s", build) == b"graph" * 100
    assert list(cache_dir().iterdir()) == []


def test_the_place_of_the_cache(monkeypatch, tmp_path):
    """The variable of ours first, then XDG's, then the home directory."""
    monkeypatch.setenv("IMAGECURATOR_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "ours" / "graphs"
    monkeypatch.delenv("IMAGECURATOR_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "imagecurator" / "graphs"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "imagecurator" / "graphs"
