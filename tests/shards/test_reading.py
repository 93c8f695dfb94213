from __future__ import annotations

from tests.shards.builders import JPEG, PNG, tar_bytes, write

from nemo_curator.shards.listing import list_inputs
from nemo_curator.shards.partitioning import partition
from nemo_curator.shards.reading import read_partition


def test_a_partition_of_everything(tmp_path):
    """Tars by name and by content, loose files with sidecars, strays and what is gone, in order."""
    files = {
        "a.tar": tar_bytes([("k.jpg", JPEG)]),
        "b.jpg": JPEG,
        "b.txt": b"caption",
        "c": PNG,
        "d.bin": tar_bytes([("l.txt", b"")]),
    }
    paths = {name: write(tmp_path / name, data) for name, data in files.items()}
    locations = [paths["a.tar"], paths["b.jpg"], paths["c"], paths["d.bin"], f"{tmp_path}/gone"]
    metadata = {"input_root": str(tmp_path), "input_name": "in", "sidecars": {paths["b.jpg"]: [paths["b.txt"]]}}
    samples = list(read_partition(locations, metadata))
    assert [(sample.image_id, sample.error) for sample in samples] == [
        ("in/a/k", ""),
        ("in/b.jpg", ""),
        ("in/c", ""),
        ("in/d.bin/l", "no_image"),
        ("in/gone", "unreadable"),
    ]
    assert samples[1].sidecars == {"b.txt": b"caption"}


def test_a_task_made_by_hand(tmp_path):
    """Without metadata each file is its own root."""
    path = write(tmp_path / "deep/a.tar", tar_bytes([("k.jpg", JPEG)]))
    assert [sample.image_id for sample in read_partition([path], {})] == ["a/k"]


def test_listing_partitioning_and_reading_agree(tmp_path):
    """Every entry that is listed comes out as a sample under the id that listing promised."""
    for name, data in {"x/1.jpg": JPEG, "x/1.txt": b"c", "x/2.doc": b"", "y.tar": tar_bytes([("k.png", PNG)])}.items():
        write(tmp_path / name, data)
    listing = list_inputs([str(tmp_path)])
    ids = []
    for part in partition(listing.entries):
        metadata = {"input_root": part.root, "input_name": part.name}
        ids += [sample.image_id for sample in read_partition([one.location for one in part.entries], metadata)]
    assert ids == ["x/1.jpg", "x/2.doc", "y/k"]
