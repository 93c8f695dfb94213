"""One behaviour of every reader: whatever images come in, the records, ids, limits and bytes are the same."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nemo_curator.errors import DuplicateIdError, InputError
from nemo_curator.pipeline.curate import curate
from nemo_curator.planning.recipe import Recipe
from nemo_curator.shards.fetch import MemberReader, read_members
from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import partition
from nemo_curator.shards.sample import Sample
from nemo_curator.stages.image.io.partition_tasks import partition_task, read_task
from nemo_curator.stages.worker import MOST
from nemo_curator.tasks import FileGroupTask
from nemo_curator.testing import encoded, make_tar, photo

# key → (image, caption, JSON); a reader makes a sample of each
Material = dict[str, tuple[bytes, bytes, bytes]]


def material(count: int = 5) -> Material:
    """Images that decode, each with a caption and a JSON sidecar."""
    return {
        f"{number:03d}": (
            encoded(photo(number, 40 + number, 30)),
            f"caption {number}".encode(),
            b'{"n": %d}' % number,
        )
        for number in range(count)
    }


def to_tar(folder: Path, some: Material, name: str = "a") -> Path:
    """A tar of them."""
    members = []
    for key, (image, caption, facts) in some.items():
        members += [(f"{key}.jpg", image), (f"{key}.txt", caption), (f"{key}.json", facts)]
    return Path(make_tar(folder / f"{name}.tar", members))


def to_folder(folder: Path, some: Material, name: str = "a") -> Path:
    """A folder of loose files."""
    for key, files in some.items():
        for extension, data in zip(("jpg", "txt", "json"), files, strict=True):
            path = folder / name / f"{key}.{extension}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder / name


def to_parquet(folder: Path, some: Material, name: str = "a") -> Path:
    """A Parquet with columns of bytes, several samples a row group."""
    columns: dict[str, Any] = {"key": pa.array(list(some), pa.string())}
    images = [{"bytes": image, "path": f"{key}.jpg"} for key, (image, _, _) in some.items()]
    columns["image"] = pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    for at, column in ((1, "txt"), (2, "json")):
        columns[column] = pa.array([files[at] for files in some.values()], pa.binary())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=2, compression="none", write_page_checksum=True)
    return path


def to_delivered(folder: Path, some: Material, name: str = "a") -> Path:
    """A shard of a data set that imagecurator delivered in the format `parquet`."""
    making = folder.with_name(f"making-{folder.name}")
    recipe = Recipe(scores=["header"], rules={}, export={"format": "parquet"})
    curate([str(to_tar(making, some))], str(making / "out"), recipe, workers=0)
    folder.mkdir(parents=True, exist_ok=True)
    return (making / "out" / "00000.parquet").rename(folder / f"{name}.parquet")


def to_arrow(folder: Path, some: Material, name: str = "a") -> Path:
    """An Arrow stream of the same columns, as `datasets` saves it to disk."""
    table = pq.read_table(to_parquet(folder.with_name(f"making-{folder.name}"), some, name))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return path


@dataclass(frozen=True)
class Reader:
    """One way that images come in.

    Attributes:
        write: Writes material into a folder under a name; gives what is named as input.
        shards: Whether the ids are those of samples in a shard.
        rows: Whether the samples are rows.
        sums: Whether the file has checksums, by which it is known that bytes in its middle were changed.
    """

    write: Callable[..., Path]
    shards: bool = True
    rows: bool = False
    sums: bool = False


READERS = {
    "tar": Reader(to_tar),
    "folder": Reader(to_folder, shards=False),
    "parquet": Reader(to_parquet, rows=True, sums=True),
    "delivered": Reader(to_delivered, rows=True, sums=True),
    "arrow": Reader(to_arrow, rows=True),
}


@pytest.fixture(params=READERS)
def reader(request) -> Reader:
    """Every reader in turn."""
    return READERS[request.param]


@pytest.fixture(params=["tar", "parquet", "delivered", "arrow"])
def shards(request) -> Reader:
    """Every reader of files that hold many samples."""
    return READERS[request.param]


def read(*inputs: Path, max_bytes: int = 64_000_000, most: int | None = None) -> list[Sample]:
    """All samples of some inputs, as a run reads them."""
    samples: list[Sample] = []
    for one in partition(list_inputs([str(path) for path in inputs]).entries):
        task = partition_task(one)
        if most is not None:
            task._metadata[MOST] = most
        samples += read_task(task, max_bytes=max_bytes)
    return samples


def ids(samples: list[Sample]) -> list[str]:
    """Their ids."""
    return [sample.image_id for sample in samples]


def test_every_sample_comes_with_its_files(reader, tmp_path):
    """In source order, the image apart from the sidecars, the bytes as they are, each with its hash."""
    some = material()
    samples = read(reader.write(tmp_path / "in", some))
    assert ids(samples) == [f"a/{key}" if reader.shards else f"{key}.jpg" for key in some]
    for sample, (image, caption, facts) in zip(samples, some.values(), strict=True):
        key = sample.source.key
        assert (sample.error, sample.image) == ("", image)
        assert sample.sidecars == {f"{key}.json": facts, f"{key}.txt": caption}
        files = [image, caption, facts] if reader.shards else [image, facts, caption]  # loose ones go by name
        assert [one.sha256 for one in sample.source.members] == [hashlib.sha256(one).hexdigest() for one in files]
        assert sample.source.members[sample.source.primary].extension == "jpg"


def test_ids_begin_with_the_name_and_the_path_of_the_shard(shards, tmp_path):
    """Whatever the kind of shard; two of one stem are refused."""
    made = shards.write(tmp_path / "made", material(2), name="one.v2")
    (tmp_path / "in" / "b").mkdir(parents=True)
    first = made.rename(tmp_path / "in" / "b" / made.name)
    assert ids(read(tmp_path / "in")) == ["b/one.v2/000", "b/one.v2/001"]
    assert ids(read(first)) == ["one.v2/000", "one.v2/001"]
    named = list_inputs([f"train={first}"]).entries
    sample = next(one for part in partition(named) for one in read_task(partition_task(part), max_bytes=10**9))
    assert sample.image_id == "train/one.v2/000"


def test_members_are_read_again(reader, tmp_path):
    """The bytes of each sample come back from what its members say: in order, out of it, and one sample alone."""
    some = material()
    samples = read(reader.write(tmp_path / "in", some))
    with MemberReader() as members:
        for sample in [*samples, *samples[::-1], samples[3], samples[1], samples[2]]:
            source = sample.source
            found = list(members.read(source.location, source.members))
            assert found[source.primary] == sample.image
            assert sorted(found) == sorted([sample.image, *sample.sidecars.values()])
    if reader.shards:
        together = [one for sample in samples for one in sample.source.members]
        assert len(list(read_members(samples[0].source.location, together))) == 3 * len(some)


def test_changed_and_missing_files_are_refused(reader, tmp_path):
    """What leaves is what was read: other bytes, another length, a row too few, no file."""
    some = material()
    place = reader.write(tmp_path / "in", some)
    sample = read(place)[3]
    location, members = sample.source.location, sample.source.members
    other = {**some, "003": (encoded(photo(9, 90, 30)), b"caption 3", b'{"n": 3}')}
    reader.write(tmp_path / "in2", other)
    kept = Path(location).read_bytes()
    changed = read(tmp_path / "in2" / place.name)[3].source.location
    Path(location).write_bytes(Path(changed).read_bytes())
    with pytest.raises(InputError, match=r"not the ones that were read"):
        list(read_members(location, members))
    Path(location).write_bytes(kept)
    assert len(list(read_members(location, members))) == 3
    Path(location).unlink()
    with pytest.raises(InputError, match="cannot be read any more"):
        list(read_members(location, members))


def test_limits_hold_before_bytes_are_taken(reader, tmp_path):
    """A file over the limit, and a sample over four times it, are records that say so; the others are read."""
    some = material(3)
    some["001"] = (some["001"][0] + bytes(5_000), *some["001"][1:])
    limit = max(len(some[key][0]) for key in ("000", "002"))
    samples = read(reader.write(tmp_path / "in", some), max_bytes=limit)
    assert [sample.error for sample in samples] == ["", "over_limit", ""]
    assert samples[1].image == b""
    assert "over the limit" in samples[1].detail


def test_what_is_no_image_is_a_record(reader, tmp_path):
    """An image by name alone: one record under the id that it would have, and nothing is lost."""
    if reader is READERS["delivered"]:
        pytest.skip("an export holds no such sample")
    some = material(3)
    some["001"] = (b"%PDF no image", *some["001"][1:])
    samples = read(reader.write(tmp_path / "in", some))
    assert len(samples) == 3
    assert [bool(sample.error) for sample in samples] == [False, True, False]
    assert samples[1].error in {"no_image", "not_an_image"}
    assert samples[1].image == b""


def test_a_damaged_shard_is_one_record_beside_its_samples(shards, tmp_path):
    """Samples before the damage count, the damage is under the path of the shard, and reading ends."""
    place = shards.write(tmp_path / "in", material(8))
    whole = place.read_bytes()
    at = whole.index(material(8)["005"][0][200:260])
    place.write_bytes(whole[:at] + bytes(60) + whole[at + 60 :] if shards.sums else whole[:at])
    samples = read(place)
    assert samples[-1].image_id == place.name
    assert samples[-1].error == "damaged_shard"
    assert all(not sample.error or sample.error == "incomplete" for sample in samples[:-1])


def test_a_shard_that_is_gone_is_one_record(reader, tmp_path):
    """Gone between listing and reading: `unreadable`, under the path of the file."""
    place = reader.write(tmp_path / "in", material(1))
    listed = list_inputs([str(place)]).entries
    tasks = [partition_task(one) for one in partition(listed)]
    Path(listed[0].location).unlink()
    (sample,) = [one for task in tasks for one in read_task(task, max_bytes=10**9)]
    assert (sample.error, sample.image_id) == ("unreadable", listed[0].path)


def test_reading_may_end_early(shards, tmp_path):
    """A trial reads the first samples of a shard, and they are those that the whole shard begins with."""
    place = shards.write(tmp_path / "in", material())
    assert ids(read(place, most=2)) == ids(read(place))[:2]


def test_a_task_made_by_hand(reader, tmp_path):
    """Nothing but paths: the files are known by their names and contents."""
    place = reader.write(tmp_path / "in", material(2))
    files = sorted(place.glob("*.jpg")) if place.is_dir() else [place]
    samples = list(read_task(FileGroupTask(data=[str(one) for one in files]), max_bytes=10**9))
    assert [sample.error for sample in samples] == ["", ""]
    assert len(samples[0].sidecars) == 2


def test_a_run_keeps_every_byte(reader, tmp_path):
    """From any input to a tar: inputs = kept, the same members under their keys, whatever was read."""
    some = material()
    place = reader.write(tmp_path / "in", some)
    expected = {
        f"{key}.{extension}": data
        for key, files in some.items()
        for extension, data in zip(("jpg", "txt", "json"), files, strict=True)
    }
    for name, shuffle in (("out", None), ("mixed", 7)):
        recipe = Recipe(scores=["header"], rules={}, shuffle=shuffle)
        summary = curate([str(place)], str(tmp_path / name), recipe, workers=0)
        assert (summary.funnel.inputs, summary.funnel.kept) == (5, 5)
        with tarfile.open(tmp_path / name / "00000.tar") as tar:
            assert {member.name: tar.extractfile(member).read() for member in tar.getmembers()} == expected


def test_two_shards_of_one_stem_are_refused(tmp_path):
    """A tar and a Parquet of images that would give the same ids are named, both of them."""
    (tmp_path / "x").mkdir()
    tar, parquet = to_tar(tmp_path, material(1)), to_parquet(tmp_path / "x", material(1))
    with pytest.raises(DuplicateIdError, match=r"a\.tar and .*a\.parquet"):
        list_inputs([str(tar), str(parquet)])
