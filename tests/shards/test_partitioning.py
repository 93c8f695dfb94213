from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.shards.entry import Entry, Kind
from nemo_curator.shards.partitioning import LOOSE_BYTES, LOOSE_FILES, partition


def entry(path: str, kind: Kind = "image", size: int = 10, root: str = "/data", name: str = "") -> Entry:
    """An entry of that path."""
    return Entry(f"{root}/{path}", root, name, path, kind, size)


def paths(*args, **options) -> list[list[str]]:
    """The paths in each partition."""
    return [[one.path for one in part.entries] for part in partition(*args, **options)]


def test_each_tar_is_a_partition_and_loose_files_are_grouped():
    """Tars and loose files never share one, and both keep their order."""
    entries = [entry("a.jpg"), entry("b.tar", "tar"), entry("c"), entry("d.tar", "tar"), entry("e.txt", "stray")]
    assert paths(entries) == [["a.jpg", "c", "e.txt"], ["b.tar"], ["d.tar"]]


def test_loose_groups_are_bounded_in_number_and_bytes():
    """Neither 257 files nor more than 256 MB come together, but a larger file is not refused."""
    assert [len(part) for part in paths([entry(f"{n:04d}") for n in range(600)])] == [LOOSE_FILES, LOOSE_FILES, 88]
    half = LOOSE_BYTES // 2
    sizes = [half, half, 1, LOOSE_BYTES + 1, 5]
    assert paths([entry(str(n), size=size) for n, size in enumerate(sizes)]) == [["0", "1"], ["2"], ["3"], ["4"]]


def test_roots_are_never_mixed():
    """Two inputs, two partitions."""
    entries = [entry("x", root="/a", name="a"), entry("x", root="/b", name="b"), entry("y", root="/a", name="a")]
    parts = partition(entries)
    assert [(part.root, part.name, len(part.entries)) for part in parts] == [("/a", "a", 2), ("/b", "b", 1)]


def test_files_per_partition():
    """A number of files, tars too; files that are inputs themselves are counted as they come."""
    entries = [entry("a.tar", "tar"), entry("b.jpg"), entry("c.tar", "tar"), entry("d.tar", "tar")]
    assert paths(entries, files_per_partition=2) == [["a.tar", "c.tar"], ["b.jpg"], ["d.tar"]]
    inputs = [Entry(f"/x/{one.path}", "", "", one.path, one.kind) for one in entries]
    assert paths(inputs, files_per_partition=2) == [["a.tar", "b.jpg"], ["c.tar", "d.tar"]]
    assert paths(inputs) == [["a.tar"], ["b.jpg"], ["c.tar"], ["d.tar"]]


def test_max_bytes():
    """Files up to so many bytes together, tars too."""
    entries = [entry(f"{n}.tar", "tar", size) for n, size in enumerate([4, 6, 1, 20, 3])]
    assert paths(entries, max_bytes=10) == [["0.tar", "1.tar"], ["2.tar"], ["3.tar"], ["4.tar"]]


def test_limit():
    """At most so many partitions."""
    assert paths([entry(str(n)) for n in range(5)], files_per_partition=2, limit=2) == [["0", "1"], ["2", "3"]]


@pytest.mark.parametrize("options", [{"files_per_partition": 0}, {"max_bytes": -1}, {"limit": 0}])
def test_numbers_are_positive(options):
    """A number that makes no sense is named."""
    with pytest.raises(ValueError, match=next(iter(options))):
        partition([], **options)


def test_both_sizes_at_once():
    """One way to cut, not two."""
    with pytest.raises(ValueError, match="not both"):
        partition([], files_per_partition=1, max_bytes=1)


def test_the_id_is_of_names_and_paths_alone():
    """Sizes, places and sidecars do not change it; names and paths do, and no two lists run together."""
    (one,) = partition([entry("a"), entry("b")])
    (moved,) = partition([entry("a", size=99, root="/else"), entry("b", "stray", root="/else")])
    assert one.id == moved.id == "a4ee9b814586a0bb"
    others = [[entry("b"), entry("a")], [entry("a")], [entry("a", name="n"), entry("b", name="n")], [entry("ab")]]
    ids = {part.id for other in others for part in partition(other)}
    assert len(ids) == 4
    assert one.id not in ids
    assert one.size == 20


entries = st.lists(
    st.builds(
        entry,
        st.text("abc", min_size=1, max_size=3),
        st.sampled_from(["tar", "image", "stray"]),
        st.integers(-1, LOOSE_BYTES),
        st.sampled_from(["/a", "/b", ""]),
    ),
    max_size=30,
)


@given(entries, st.none() | st.integers(1, 4))
def test_every_entry_is_in_one_partition(found, number):
    """Nothing is lost or doubled, order is kept inside a group, and the same list gives the same partitions."""
    parts = partition(found, files_per_partition=number)
    assert sorted(map(repr, found)) == sorted(repr(one) for part in parts for one in part.entries)
    assert parts == partition(found, files_per_partition=number)
    for part in parts:
        assert len({one.root for one in part.entries}) == 1
        assert part.root or number or len({one.kind == "tar" for one in part.entries}) == 1
