"""What a fetch of URLs leaves is known by listing and readers."""

import io

import pytest

from nemo_curator.shards.fetched import MANIFEST_HEAD, fetch_tables, reason_of, shard_name
from nemo_curator.shards.tar_reader import read_tar
from nemo_curator.shards.tar_writer import TarWriter


def test_tables_are_known_beside_a_manifest_of_ours():
    """Only where a manifest says that a folder is a fetch are its tables known by their names."""
    paths = ["a/fetch.json", "a/000000.parquet", "a/times/000000.parquet", "a/other.parquet", "b/000000.parquet"]
    paths += ["a/deep/000000.parquet", "fetch.json", "000001.parquet"]
    heads = {"a/fetch.json": MANIFEST_HEAD + b"1}", "fetch.json": b"{}"}
    assert fetch_tables(paths, heads.__getitem__) == {"a/fetch.json", "a/000000.parquet", "a/times/000000.parquet"}
    assert fetch_tables(["000000.parquet"], heads.__getitem__) == frozenset()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not_found: gone", "not_found: gone"),
        (b"", "nothing says why"),
        (b"a\x1b[31m\n", "a [31m"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_reason_is_text_that_can_be_shown(data, said):
    """Whatever a stranger wrote as a reason, it is printable and not long."""
    assert reason_of(data) == said
    assert len(reason_of(data * 10_000)) <= 500


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["1.unfetched", "1.json"], "not_fetched"),
        (["1.json"], "no_image"),
        (["1.unfetched", "1.jpg"], ""),
    ],
)
def test_a_sample_without_an_image_says_why(tmp_path, names, error):
    """A member `.unfetched` explains a missing image, and is a sidecar like any other where there is one."""
    data = io.BytesIO()
    with TarWriter(data) as tar:
        for name in names:
            tar.add(name, b"\xff\xd8\xff\xe0 picture" if name.endswith("jpg") else b"timeout: slow")
    (tmp_path / "a.tar").write_bytes(data.getvalue())
    (sample,) = read_tar(str(tmp_path / "a.tar"))
    assert sample.error == error
    assert (sample.detail == "timeout: slow") == (error == "not_fetched")
    assert shard_name(3) == "000003"
