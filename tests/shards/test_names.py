from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.errors import InputError
from nemo_curator.shards.names import (
    beside,
    from_text,
    is_tar_name,
    relative_path,
    shard_stem,
    split_loose,
    split_member,
    to_text,
    with_name,
)


@given(st.binary(max_size=40))
def test_every_name_becomes_text_and_back(raw):
    """Whatever bytes a name has, its text is valid UTF-8 and gives the name back."""
    name = os.fsdecode(raw)
    text = to_text(name)
    text.encode("utf-8")
    assert from_text(text) == name


@given(st.text(alphabet="\\x5c8ff\udc80\udcffa", max_size=12))
def test_names_that_look_escaped_come_back_too(name):
    """A literal backslash is told from one that the escaping wrote."""
    assert from_text(to_text(name)) == name


@given(st.text(alphabet="\\x5c8ff\udc80\udcffa", max_size=8), st.text(alphabet="\\x5c8ff\udc80\udcffa", max_size=8))
def test_two_names_never_share_a_text(one, other):
    """The text of a name is its own, so ids stay unique."""
    assert (to_text(one) == to_text(other)) == (one == other)


@pytest.mark.parametrize(
    "name", ["a.jpg", "café/日本.png", "dir\\file.jpg", "a\\x41", "tab\tnew\nline", "%20", "", "🦊"]
)
def test_ordinary_names_are_their_own_text(name):
    """Only undecodable bytes and what looks like their escape change."""
    assert to_text(name) == name


def test_the_escape_itself():
    """The form is part of the stored data."""
    assert to_text("a\udcffb") == "a\\xffb"
    assert to_text("a\\xffb") == "a\\x5cxffb"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("0001.jpg", ("0001", "jpg")),
        ("a/b.seg.png", ("a/b", "seg.png")),
        ("v1.2/x.txt", ("v1.2/x", "txt")),
        ("noext", ("noext", "")),
        ("a/.DS_Store", ("a/.DS_Store", "")),
        ("a/._1.jpg", ("a/._1", "jpg")),
        ("../../up.jpg", ("../../up", "jpg")),
        ("/abs.jpg", ("/abs", "jpg")),
        ("..", ("..", "")),
        ("", ("", "")),
        ("a/", ("a/", "")),
    ],
)
def test_split_member(name, parts):
    """The key ends at the first dot of the base name; directories with dots stay whole."""
    assert split_member(name) == parts


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a/b.c.jpg", ("a/b.c", "jpg")),
        ("a.b/c", ("a.b/c", "")),
        (".x", (".x", "")),
        ("a/.x", ("a/.x", "")),
        ("x.", ("x", "")),
    ],
)
def test_split_loose(path, parts):
    """The stem of a loose file ends at its last dot."""
    assert split_loose(path) == parts


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("a/0.tar", "a/0"),
        ("0.tar.gz", "0"),
        ("0.TGZ", "0"),
        ("0.tar.zst", "0"),
        ("0.tar.zstd", "0"),
        ("odd.bin", "odd.bin"),
    ],
)
def test_shard_stem(path, stem):
    """The suffix that makes it a tar goes, and nothing else."""
    assert shard_stem(path) == stem
    assert is_tar_name(path) == (path != "odd.bin")


def test_relative_path():
    """Seen from the root, from itself, and from a place that it does not lie under."""
    assert relative_path("/data/a/b.jpg", "/data") == relative_path("/data/a/b.jpg", "/data/") == "a/b.jpg"
    assert relative_path("/data/b.tar", "") == relative_path("/data/b.tar", "/data/b.tar") == "b.tar"
    assert relative_path("s3://x/a/b", "s3://x") == "a/b"
    with pytest.raises(InputError, match="does not lie under"):
        relative_path("/database/a", "/data")


def test_paths_lead_back_to_files():
    """Text becomes what opens the file again."""
    assert beside("/base/d/a.jpg", "d/a\\xff.txt") == "/base/d/a\udcff.txt"
    assert beside("a.jpg", "a.txt") == "a.txt"
    assert with_name("train", "a") == "train/a"
    assert with_name("", "a") == "a"
