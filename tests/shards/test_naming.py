"""Names of samples in the shards that we write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.kernels.source import Member, Source
from nemo_curator.shards.naming import free_extension, member_names, sample_key, unique_key


def in_tar(key):
    """A sample of that key in a shard."""
    return Source(path="a.tar", key=key, members=(Member(f"{key}.jpg", "jpg", 512, 1),), primary=0)


def loose(path):
    """A loose file."""
    stem, _, extension = path.rpartition(".")
    return Source(path=path, key=stem, members=(Member(path, extension, 0, 1),), primary=0)


def test_the_key_of_a_shard_stays():
    """Folders included."""
    assert sample_key(in_tar("x/y/000"), "a/x/y/000") == "x/y/000"


def test_dots_of_a_loose_name_go():
    """A reader of shards would end the key at the first one; dots of folders stay."""
    assert sample_key(loose("d.1/IMG.2024.01.png"), "d.1/IMG.2024.01.png") == "d.1/IMG_2024_01"


@pytest.mark.parametrize(
    ("key", "safe"),
    [("../../evil", "evil"), ("/abs/x", "abs/x"), ("a/../b", "a/b"), ("./x", "x"), ("..", "sample"), ("x\0y", "xy")],
)
def test_keys_stay_inside_the_folder_they_are_unpacked_in(key, safe):
    """What would lead out of it goes."""
    assert sample_key(in_tar(key), f"a/{key}") == safe


def test_repeated_keys_are_told_apart_by_their_shard():
    """`<source shard>__<key>`, and a number where that is taken too."""
    taken = set()
    keys = [unique_key(in_tar("000"), "a/000", taken) for _ in range(3)]
    assert keys == ["000", "a__000", "a__000__2"]


def test_members_of_one_sample_are_never_named_alike():
    """A file without an extension gets its format's name, and a number where that is taken."""
    assert member_names("x", [("jpeg", ""), ("", "jpeg"), ("txt", ""), ("", ""), ("bin", "")]) == [
        "x.jpeg",
        "x.2.jpeg",
        "x.txt",
        "x.bin",
        "x.2.bin",
    ]


@given(st.lists(st.tuples(st.sampled_from(["", "jpg", "bin", "2.jpg"]), st.sampled_from(["", "jpg"])), max_size=8))
def test_names_are_unique_whatever_the_extensions(extensions):
    """One name for each member, all different, all under the key."""
    names = member_names("k", extensions)
    assert len(set(names)) == len(names) == len(extensions)
    assert all(name.startswith("k.") for name in names)


@given(st.text(max_size=30))
def test_no_key_leads_out(key):
    """Whatever the key, the path is relative, without `..` and zero bytes, and not empty."""
    safe = sample_key(in_tar(key or "x"), "a/x")
    assert safe
    assert not safe.startswith("/")
    assert "\0" not in safe
    assert not {"", ".", ".."} & set(safe.split("/"))


@given(
    st.sampled_from(["png", "2.png", "bin", "seg.png"]),
    st.lists(st.sampled_from(["", "png", "2.png", "bin"]), max_size=6),
    st.integers(0, 6),
)
def test_a_changed_file_leaves_the_names_of_the_others_alone(extension, others, at):
    """Wherever it stands among them, the other files are named as they are without it."""
    found = [(one, "") for one in others]
    found.insert(at, (free_extension(extension, others), ""))
    names = member_names("k", found)
    names.pop(min(at, len(others)))
    assert names == member_names("k", [(one, "") for one in others])
