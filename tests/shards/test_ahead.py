"""Reading ahead: what comes next is asked for, never more than the bound, and no error of it is heard."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.shards.builders import JPEG, tar_bytes, write

from nemo_curator import storage
from nemo_curator.shards.ahead import ReadAhead, Window
from nemo_curator.shards.reading import read_partition


@dataclass
class Disk:
    """Answers for files of known sizes, and notes who asked for what."""

    sizes: dict[str, int]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, location, most):
        """So many bytes are on their way; a file without a size cannot be read."""
        self.asked.append((location, most))
        if location not in self.sizes:
            raise FileNotFoundError(location)
        return min(most, self.sizes[location])


@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=12),
    most=st.integers(0, 100),
    steps=st.lists(st.integers(0, 3), max_size=12),
)
def test_never_more_than_the_bound_is_on_its_way(sizes, most, steps):
    """Wherever reading is, what was asked for beyond that file is within the bound, in order, and asked for once."""
    files = [str(at) for at in range(len(sizes))]
    disk = Disk(dict(zip(files, sizes, strict=True)))
    window = Window(most, files)
    position = 0
    for step in [0, *steps]:
        position = min(position + step, len(files) - 1)
        window.move(position, disk)
        under_way = {int(name): min(room, sizes[int(name)]) for name, room in disk.asked}
        assert sum(size for at, size in under_way.items() if at > position) <= most
    names = [int(name) for name, _ in disk.asked]
    assert names == sorted(set(names))
    assert 0 not in names
    assert most or not names


def test_the_next_files_are_asked_for_and_then_those_of_the_next_partition():
    """While the first file is read, as much of the others is asked for as has room; the rest when it is nearer."""
    disk = Disk(dict.fromkeys("abcxy", 40))
    ahead = ReadAhead(100, disk)
    ahead.expect(["x", "y"])
    ahead.begin(["a", "b", "c"])
    ahead.settle()
    assert disk.asked == [("b", 100), ("c", 60), ("x", 20)]
    ahead.reached(2)
    ahead.settle()
    assert disk.asked[3:] == [("y", 80)]


def test_another_partition_begins_anew():
    """What was said of the partition before is forgotten, and its files are asked for no more."""
    disk = Disk(dict.fromkeys("abcde", 60))
    ahead = ReadAhead(100, disk)
    ahead.begin(["a", "b", "c"])
    ahead.begin(["d", "e"])
    ahead.settle()
    assert disk.asked == [("b", 100), ("c", 40), ("e", 100)]


def test_what_cannot_be_asked_for_is_passed_over():
    """A file that is gone costs nothing, and does not keep those behind it waiting."""
    disk = Disk({"c": 10})
    ahead = ReadAhead(100, disk)
    ahead.begin(["a", "gone", "c"])
    ahead.settle()
    assert disk.asked == [("gone", 100), ("c", 100)]


def test_a_bound_of_nothing_asks_for_nothing():
    """There is no thread either, and nothing to wait for."""
    disk = Disk({"b": 1})
    ahead = ReadAhead(0, disk)
    ahead.begin(["a", "b"])
    ahead.reached(1)
    ahead.settle()
    assert disk.asked == []


def test_where_no_thread_can_be_had_nothing_is_read_ahead(monkeypatch):
    """A limit of processes ends no reading."""

    def refused(_):
        """As Python refuses it."""
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    disk = Disk({"b": 1})
    ahead = ReadAhead(1_000, disk)
    ahead.begin(["a", "b"])
    ahead.reached(1)
    ahead.settle()
    assert disk.asked == []


@pytest.fixture
def shards(tmp_path):
    """Where three shards of two samples lie, of which the second is gone."""
    names = ("0.tar", "1.tar", "2.tar")
    places = [write(tmp_path / name, tar_bytes([("a.jpg", JPEG), ("b.jpg", JPEG)])) for name in names]
    (tmp_path / "1.tar").unlink()
    return places


def test_reading_with_and_without_is_the_same_and_an_error_is_told_once(shards):
    """A shard that is gone is one record, at its place, whether or not it was asked for before."""
    disk = Disk({})

    def ask(location, most):
        disk.asked.append((location, most))
        return storage.will_read(location, most)

    ahead = ReadAhead(1 << 20, ask)
    plain = list(read_partition(shards, {}))
    with_it = list(read_partition(shards, {}, ahead=ahead))
    ahead.settle()
    assert [location for location, _ in disk.asked] == shards[1:]
    assert with_it == plain
    assert [sample.error for sample in with_it] == ["", "", "unreadable", "", ""]


def test_storage_says_how_much_is_on_its_way(tmp_path):
    """The beginning of a file, not more than there is; what is no file is refused, and a URL is left alone."""
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    assert storage.will_read(str(tmp_path / "a"), 60) == 60
    assert storage.will_read(str(tmp_path / "a"), 600) == 100
    assert storage.will_read(str(tmp_path / "empty"), 600) == 0
    assert storage.will_read("memory://somewhere/a.tar", 600) == 0
    for name, error in (("missing", FileNotFoundError), (".", IsADirectoryError), ("pipe", OSError)):
        with pytest.raises(error):
            storage.will_read(str(tmp_path / name), 600)


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is asked for elsewhere")
def test_the_whole_range_is_asked_for_in_pieces(tmp_path, monkeypatch):
    """Linux takes a range only as far as its disk's own read-ahead: so it is told piece by piece, without a gap."""
    told = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, length, advice: told.append((start, length, advice)))
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    assert storage.will_read(str(tmp_path / "a"), 900_000) == 900_000
    assert {advice for *_, advice in told} == {os.POSIX_FADV_WILLNEED}
    assert max(length for _, length, _ in told) <= 1 << 17
    assert [start for start, *_ in told] == [0, *itertools.accumulate(length for _, length, _ in told[:-1])]
    assert sum(length for _, length, _ in told) == 900_000
