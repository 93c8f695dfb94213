"""Lance data sets as inputs: every row is one record, of the version that was listed, whatever the file holds."""

from __future__ import annotations

import hashlib
import io
import os
import shutil

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from nemo_curator.errors import InputError
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.runs.exporting import verify
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards import lance_fragments, lance_rows
from nemo_curator.shards.fetch import read_members
from nemo_curator.shards.lance_fragments import Range
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.parquet_reader import read_parquet

lance = pytest.importorskip("lance", reason="the package pylance is not installed: pip install 'imagecurator[lance]'")


def png(number, side=12):
    """A picture, another one for every number."""
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def rows(count, start=0, **columns):
    """A table of pictures."""
    numbers = range(start, start + count)
    fixed = {
        "key": [f"k{at}" for at in numbers],
        "image": [png(at) for at in numbers],
        "caption": [f"caption {at}" for at in numbers],
    }
    return pa.table({**fixed, **columns})


def samples(place):
    """Every sample of what an input lists."""
    return [
        one
        for entry in list_inputs([str(place)]).entries
        for one in read_parquet(entry.location, root=entry.root, name=entry.name)
    ]


def told(found):
    """Id, code and detail of samples."""
    return [(one.image_id, one.error, one.detail) for one in found]


def test_every_row_is_a_sample(tmp_path):
    """Bytes, key and caption of each row, over fragments and deletions; what is beside them is a JSON sidecar."""
    place = tmp_path / "in" / "d.lance"
    lance.write_dataset(rows(4), place, max_rows_per_file=3)
    lance.write_dataset(rows(2, 4), place, mode="append")
    lance.dataset(place).delete("key = 'k1'")
    found = samples(tmp_path / "in")
    assert [one.image_id for one in found] == [
        "d.lance/000000-000000000/k0",
        "d.lance/000000-000000000/k2",
        "d.lance/000001-000000000/k3",
        "d.lance/000002-000000000/k4",
        "d.lance/000002-000000000/k5",
    ]
    for one, number in zip(found, (0, 2, 3, 4, 5), strict=True):
        assert one.image == png(number)
        assert list(one.sidecars.values()) == [b'{"caption": "caption %d"}' % number]
    assert [one.source.members[0].offset for one in found] == [1, 2, 1, 1, 2]


def test_the_data_set_itself_may_be_the_input(tmp_path):
    """Given by its own folder, ids begin with the range; its files are no inputs of their own."""
    lance.write_dataset(rows(2), tmp_path / "d.lance")
    listing = list_inputs([str(tmp_path / "d.lance")])
    assert [(one.path, one.kind) for one in listing.entries] == [("000000-000000000.lance-fragment", "lance")]
    assert listing.ignored == ()
    assert [one.image_id for one in samples(tmp_path / "d.lance")] == ["000000-000000000/k0", "000000-000000000/k1"]


def test_large_fragments_are_cut_into_ranges(tmp_path, monkeypatch):
    """Ranges are the same for the same version, hold every row once, and add up to the fragment's bytes or so."""
    monkeypatch.setattr(lance_fragments, "ROWS", 3)
    monkeypatch.setattr(lance_rows, "ROWS", 3)
    lance.write_dataset(rows(8), tmp_path / "d.lance")
    lance.dataset(tmp_path / "d.lance").delete("key = 'k4'")
    entries = list_inputs([str(tmp_path)]).entries
    assert entries == list_inputs([str(tmp_path)]).entries
    starts = ["000000000", "000000003", "000000006"]
    assert [one.path for one in entries] == [f"d.lance/000000-{start}.lance-fragment" for start in starts]
    assert all(one.size > 0 for one in entries)
    assert [one.source.key for one in samples(tmp_path)] == ["k0", "k1", "k2", "k3", "k5", "k6", "k7"]


@pytest.mark.parametrize("kind", ["binary", "large_binary", "struct", "blob", "new blob"])
def test_ways_to_hold_an_image(tmp_path, kind):
    """Bytes, a struct of bytes and path, and both kinds of blobs; NULL is a row without an image."""
    values = [png(0), None, png(2, 200)]
    if kind == "struct":
        column = pa.array(
            [None if one is None else {"bytes": one, "path": "a.png"} for one in values],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
        field = pa.field("image", column.type)
    elif kind == "new blob":
        field, column = lance.blob_field("image"), lance.blob_array(values)
    else:
        metadata = {"lance-encoding:blob": "true"} if kind == "blob" else None
        field = pa.field("image", pa.binary() if kind == "binary" else pa.large_binary(), metadata=metadata)
        column = pa.array(values, field.type)
    table = pa.Table.from_arrays(
        [pa.array(["a", "b", "c"]), column], schema=pa.schema([pa.field("key", pa.string()), field])
    )
    lance.write_dataset(table, tmp_path / "d.lance")
    found = samples(tmp_path)
    assert [(one.source.key, one.error) for one in found] == [("a", ""), ("b", "no_image"), ("c", "")]
    assert [one.image for one in found if not one.error] == [values[0], values[2]]
    for one in found:
        entry = list_inputs([str(tmp_path)]).entries[0]
        data = list(read_members(entry.location, one.source.members))
        assert [hashlib.sha256(each).hexdigest() for each in data] == [each.sha256 for each in one.source.members]


def test_a_file_elsewhere_is_never_opened(tmp_path):
    """A blob that names a file outside of the data set, or a web page, is no image; its neighbours are."""
    (tmp_path / "secret.png").write_bytes(png(99))
    uri = (tmp_path / "secret.png").as_uri()
    table = pa.Table.from_arrays(
        [pa.array(["a", "b", "c"]), lance.blob_array([png(0), uri, png(2)])],
        schema=pa.schema([pa.field("key", pa.string()), lance.blob_field("image")]),
    )
    lance.write_dataset(table, tmp_path / "in" / "d.lance", allow_external_blob_outside_bases=True)
    found = samples(tmp_path / "in")
    assert told(found)[1] == (
        "d.lance/000000-000000000/b",
        "no_image",
        f"the row has the path {uri} of an image, and no bytes of one",
    )
    assert [one.image for one in (found[0], found[2])] == [png(0), png(2)]
    assert png(99) not in [one.image for one in found]


@pytest.mark.parametrize("there", [True, False])
def test_files_elsewhere_are_never_opened(tmp_path, there):
    """A data set whose files lie in another one, as those of a shallow clone, is one record; the other is not read."""
    secret = lance.write_dataset(rows(3), tmp_path / "secret" / "d.lance")
    clone = secret.shallow_clone(str(tmp_path / "in" / "c.lance"), reference=secret.version)
    if not there:
        shutil.rmtree(tmp_path / "secret")
    (found,) = samples(tmp_path / "in")
    assert (found.image_id, found.error) == ("c.lance/000000-000000000.lance-fragment", "damaged_shard")
    assert "it names places outside of its own folder for its files" in found.detail
    assert str(tmp_path) not in found.detail
    location = Range(str(tmp_path / "in" / "c.lance"), clone.version, 0, 0).location  # as if it had been listed
    (found,) = read_parquet(location, root=str(tmp_path / "in"))
    assert found.error == "damaged_shard"
    assert not found.image


def test_a_data_set_that_is_whole_again_is_not_half_read(tmp_path):
    """One that could not be listed is one record for the run, though it can be read a moment later."""
    lance.write_dataset(rows(3), tmp_path / "d.lance")
    (manifest,) = (tmp_path / "d.lance" / "_versions").glob("*.manifest")
    data = manifest.read_bytes()
    manifest.write_bytes(data[:10])
    (entry,) = list_inputs([str(tmp_path)]).entries
    (found,) = read_parquet(entry.location, root=entry.root)
    assert (found.error, "0.manifest" in found.detail) == ("damaged_shard", False)
    manifest.write_bytes(data)
    (found,) = read_parquet(entry.location, root=entry.root)
    assert found.error == "damaged_shard"
    assert "could not be read when it was listed" in found.detail


def test_hostile_values(tmp_path):
    """What is no image, empty, too long, a key twice, with slashes or empty: a record each, as of a Parquet."""
    images = [b"no image", b"", png(2, 400), png(3), png(4), png(5)]
    keys = ["a", "b", "c", "same", "same", ""]
    lance.write_dataset(pa.table({"key": keys, "image": images}), tmp_path / "d.lance")
    (entry,) = list_inputs([str(tmp_path)]).entries
    found = list(read_parquet(entry.location, root=entry.root, max_bytes=100_000))
    assert [one.error for one in found] == ["no_image", "no_image", "over_limit", "", "", ""]
    assert [one.image_id.rpartition("/")[2] for one in found] == ["a", "b", "c", "same", "same#2", "00000005"]


def test_no_column_of_images(tmp_path):
    """A data set of other things is one record that says so."""
    lance.write_dataset(pa.table({"a": [1]}), tmp_path / "d.lance")
    (found,) = samples(tmp_path)
    assert (found.image_id, found.error) == ("d.lance/000000-000000000.lance-fragment", "damaged_shard")


@pytest.mark.parametrize("part", ["data", "_versions"])
@pytest.mark.parametrize("change", ["empty", "cut", "flip", "noise", "gone"])
def test_damage(tmp_path, part, change):
    """Whatever is broken of a data set, before it is listed or after, ends in records, and nothing is raised."""
    whole = tmp_path / "whole" / "d.lance"
    lance.write_dataset(rows(20), whole)
    for before in (True, False):
        copy = tmp_path / f"copy-{before}"
        shutil.copytree(tmp_path / "whole", copy)
        listed = None if before else list_inputs([str(copy)]).entries
        for path in sorted((copy / "d.lance" / part).iterdir()):
            if path.suffix == ".json":
                continue
            data = path.read_bytes()
            middle = len(data) // 2
            changed = {
                "empty": b"",
                "cut": data[:middle],
                "flip": data[:middle] + bytes(one ^ 255 for one in data[middle : middle + 64]) + data[middle + 64 :],
                "noise": os.urandom(len(data)),
                "gone": None,
            }[change]
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
        if listed is None:
            try:
                listed = list_inputs([str(copy)]).entries
            except InputError:
                assert (part, change) == ("_versions", "gone")  # then nothing says that it is one
                continue
        for entry in listed:
            for one in read_parquet(entry.location, root=entry.root) if entry.kind == "lance" else ():
                assert not one.error or one.error in {"damaged_shard", "no_image", "unreadable"}
                assert str(tmp_path).strip("/") not in one.detail


def run(source, output, **options):
    """Curate in this process."""
    recipe = Recipe(scores=["header"], rules={}, duplicates={"bytes": False})
    return curate([str(source)], str(output), recipe, workers=0, **options)


def test_a_run_from_lance(tmp_path):
    """Scored, exported and verified against its source; with rows appended, only these are scored; changes are told."""
    place = tmp_path / "in" / "d.lance"
    lance.write_dataset(rows(5), place, max_rows_per_file=3)
    assert run(tmp_path / "in", tmp_path / "out").exported.samples == 5
    found = verify(str(tmp_path / "out"), RunDirectory(str(tmp_path / "out" / "run")))
    assert (found.ok, found.compared) == (True, 5)
    parts = {path.name: path.stat().st_ino for path in (tmp_path / "out" / "run" / "parts").iterdir()}
    lance.write_dataset(rows(2, 5), place, mode="append")
    assert run(tmp_path / "in", tmp_path / "out", replace=True).exported.samples == 7
    after = {path.name: path.stat().st_ino for path in (tmp_path / "out" / "run" / "parts").iterdir()}
    assert parts.items() < after.items()
    lance.dataset(place).delete("key = 'k0'")
    with pytest.raises(InputError, match="its fragment is another one"):
        run(tmp_path / "in", tmp_path / "out", replace=True)
    assert run(tmp_path / "in", tmp_path / "out", replace=True, rescore=True).exported.samples == 6


def test_an_old_version_is_read_for_as_long_as_it_is_there(tmp_path):
    """What was listed stays readable while others write, and is told as gone when it was cleaned up."""
    place = tmp_path / "d.lance"
    lance.write_dataset(rows(3), place)
    (entry,) = list_inputs([str(tmp_path)]).entries
    before = told(read_parquet(entry.location, root=entry.root))
    lance.write_dataset(rows(3, 10), place, mode="overwrite")
    assert told(read_parquet(entry.location, root=entry.root)) == before
    assert lance_fragments.lance_trouble(entry) == ""
    from datetime import timedelta

    lance.dataset(place).cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
    (found,) = read_parquet(entry.location, root=entry.root)
    assert found.error == "damaged_shard"
    assert lance_fragments.lance_trouble(entry)
