"""Ranges of rows of Lance data sets by their names, and what is said where the package is not there."""

from __future__ import annotations

import sys

import pytest

from nemo_curator.errors import InputError, MissingExtraError
from nemo_curator.shards import lance_fragments
from nemo_curator.shards.lance_fragments import Range, lance_entries, lance_places
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.names import is_fragment_name, relative_path, shard_stem


def test_a_range_opens_and_names_itself():
    """What opens a range says the version; its path, which ids begin with, does not."""
    one = Range("/in/photos.lance", 7, 2, 4096)
    assert one.location == "/in/photos.lance/000002-000004096@7.lance-fragment"
    assert Range.of(one.location) == one
    assert is_fragment_name(one.location)
    assert relative_path(one.location, "/in") == "photos.lance/000002-000004096.lance-fragment"
    assert relative_path(one.location, "") == "000002-000004096.lance-fragment"
    assert shard_stem("photos.lance/000002-000004096.lance-fragment") == "photos.lance/000002-000004096"
    with pytest.raises(ValueError, match="no range"):
        Range.of("/in/photos.lance")


def test_data_sets_are_known_by_their_versions():
    """A folder is one by its name and its manifests; one inside another is a part of that."""
    paths = [
        "in/a.lance/_versions/1.manifest",
        "in/a.lance/_versions/2.manifest",
        "in/a.lance/data/b.lance/_versions/1.manifest",
        "in/c/d.LANCE/_versions/1.manifest",
        "in/e.lance/data/x.lance",
        "in/f/_versions/1.manifest",
        "in/g.lance/_versions/latest_version_hint.json",
    ]
    assert lance_places(paths) == ["in/a.lance", "in/c/d.LANCE"]


def test_elsewhere():
    """A data set in a bucket is refused with the way out: the package has clients and keys of its own."""
    with pytest.raises(InputError, match=r"on this machine alone.*copy it here"):
        lance_entries("s3://bucket/a.lance", "s3://bucket", "")


def test_without_the_package(tmp_path, monkeypatch):
    """One sentence says which extra to install; nothing else of the input is read."""
    monkeypatch.setitem(sys.modules, "lance", None)  # as if it were not installed, where it is
    (tmp_path / "a.lance" / "_versions").mkdir(parents=True)
    (tmp_path / "a.lance" / "_versions" / "1.manifest").write_bytes(b"x")
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(MissingExtraError, match=r"needs the package 'lance'.*pip install 'imagecurator\[lance\]'"):
        list_inputs([str(tmp_path)])


def test_a_panic_of_the_library_is_damage():
    """What the library's own asserts raise lies below `Exception`, and becomes damage; other such things go on."""

    class PanicException(BaseException):  # noqa: N818 (its name in the library)
        """As pyo3 calls it."""

    with pytest.raises(lance_fragments.pa.ArrowInvalid, match=r"^index out of range$"), lance_fragments.told():
        raise PanicException("index out of range, /src/lance/rust/x.rs:1:2, /src/y.rs:3:4")
    with pytest.raises(KeyboardInterrupt), lance_fragments.told():
        raise KeyboardInterrupt
