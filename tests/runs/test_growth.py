"""An input that grew since its list was frozen."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from nemo_curator.runs.growth import grow, taken_over
from nemo_curator.shards.entry import Entry
from nemo_curator.shards.partitioning import Partition, partition
from nemo_curator.stages.image.io.partition_tasks import partition_task

PATHS = tuple(f"{folder}{stem}{suffix}" for folder in ("", "d/") for stem in "abc" for suffix in (".jpg", ".tar"))


def entry(path: str, root: str = "/in", name: str = "", **settings) -> Entry:
    """A file of an input."""
    kind = "tar" if path.endswith(".tar") else "image"
    return Entry(f"{root}/{path}", root, name, path, kind, **{"size": 10, "version": "1", **settings})


@st.composite
def inputs(draw):
    """The files of one or two inputs, in source order."""
    names = draw(st.sampled_from([("",), ("x", "y")]))
    return [
        entry(path, f"/in/{name}", name, size=draw(st.integers(0, 3)), version=draw(st.sampled_from("12")))
        for name in names
        for path in draw(st.lists(st.sampled_from(PATHS), unique=True, max_size=6).map(sorted))
    ]


@given(inputs(), inputs(), inputs())
def test_whatever_comes_and_goes(first, second, third):
    """Through two growths: known partitions keep ids and order, new ones stand behind, nothing is there twice."""
    frozen = grow([], first).partitions
    once = grow(frozen, second)
    twice = grow(once.partitions, third)
    for before, after, entries in ((frozen, once, second), (once.partitions, twice, third)):
        known = len(before)
        assert [one.id for one in after.partitions[:known]] == [one.id for one in before]
        assert {one.id for one in after.partitions[known:]} == after.new
        ids = [file.image_id for one in after.partitions for file in one.entries]
        assert len(ids) == len(set(ids))
        assert {file.image_id for file in entries} <= set(ids)
        old = {file.image_id: file for one in before for file in one.entries}
        there = {file.image_id for file in entries}
        assert set(after.vanished_files) == set(old) - there
        assert set(after.changed_files) == {
            file.image_id
            for file in entries
            if file.image_id in old
            and (file.size, file.version) != (old[file.image_id].size, old[file.image_id].version)
        }
        assert after.foreign == (bool(old) and not there & set(old))


@given(inputs(), inputs())
def test_what_was_scored_stays_on_record_until_it_is_scored_again(first, second):
    """Sizes and versions in the list are those that were scored; taking over puts the present ones there."""
    frozen = grow([], first).partitions
    grown = grow(frozen, second)
    before = {file.image_id: file for one in frozen for file in one.entries}
    now = {file.image_id: file for file in second}
    for one in grown.partitions:
        for file in one.entries:
            known = before.get(file.image_id, now.get(file.image_id))
            assert (file.size, file.version) == (known.size, known.version)
    again = taken_over(grown, second, grown.changed)
    for one in again.partitions:
        for file in one.entries:
            assert file == now.get(file.image_id, file) or one.id not in grown.changed
    assert not grow(again.partitions, second).changed


def test_new_run():
    """A run that begins has the partitions of its input, all of them new, and is nobody else's."""
    entries = [entry("a.tar"), entry("b.jpg"), entry("c.jpg")]
    growth = grow([], entries)
    assert growth.partitions == tuple(partition(entries))
    assert growth.new == {one.id for one in growth.partitions}
    assert not growth.foreign


def test_kinds_of_change():
    """Another size, another version, other sidecars and another kind are changes; what nobody knows is none."""
    old = entry("a.jpg", sidecars=("a.txt",))
    for new, changed in [
        (replace(old, size=11), True),
        (replace(old, version="2"), True),
        (replace(old, sidecars=()), True),
        (replace(old, kind="stray"), True),
        (replace(old, size=-1), False),
        (replace(old, version=""), False),
        (replace(old, location="/elsewhere/a.jpg", root="/elsewhere"), False),
    ]:
        growth = grow([Partition((old,))], [new])
        assert bool(growth.changed_files) is changed, new
        assert bool(growth.changed) is changed


def test_input_that_moved():
    """An input at another place is the same one; files that did not come along are looked for there, not here."""
    old = [entry(path) for path in ("a.jpg", "b.jpg", "c.tar")]
    moved = [entry(path, "/moved") for path in ("b.jpg", "c.tar")]
    growth = grow(partition(old), moved)
    assert not growth.new
    assert not growth.foreign
    assert growth.vanished_files == ("a.jpg",)
    loose = growth.partitions[0]
    assert [one.location for one in loose.entries] == ["/moved/a.jpg", "/moved/b.jpg"]
    assert partition_task(loose)._metadata["input_root"] == "/moved"


def test_files_given_by_themselves_stay_where_they_are():
    """A vanished file that was an input of its own has no root to move to."""
    alone = Entry("/one/a.jpg", "", "", "a.jpg", "image", 10)
    growth = grow([Partition((alone,))], [entry("b.jpg")])
    assert growth.partitions[0].entries == (alone,)
