from __future__ import annotations

import hashlib
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shards.builders import JPEG, PNG, write

from nemo_curator import storage
from nemo_curator.shards.entry import Entry, entry_at
from nemo_curator.shards.folder_reader import read_loose

RAISE = "raise limits.bytes in the recipe to admit it"


def one(folder, name, sidecars=(), **options):
    """The sample of one file under `folder`."""
    (sample,) = read_loose([entry_at(str(folder / name), root=str(folder), sidecars=sidecars)], **options)
    return sample


def test_an_image_with_sidecars(tmp_path):
    """Its id is its path with extension; everything beside it travels by relative path."""
    write(tmp_path / "d/a.b.jpg", JPEG)
    write(tmp_path / "d/a.b.txt", b"caption")
    sample = one(tmp_path, "d/a.b.jpg", ("d/a.b.txt",))
    assert (sample.image_id, sample.error, sample.image) == ("d/a.b.jpg", "", JPEG)
    assert sample.sidecars == {"d/a.b.txt": b"caption"}
    assert (sample.source.path, sample.source.key, sample.source.primary) == ("d/a.b.jpg", "d/a.b", 0)
    image, caption = sample.source.members
    assert (image.name, image.extension, image.offset, image.length) == ("d/a.b.jpg", "jpg", 0, len(JPEG))
    assert caption.sha256 == hashlib.sha256(b"caption").hexdigest()


def test_the_name_of_the_input(tmp_path):
    """It prefixes the id and nothing else."""
    path = write(tmp_path / "a.jpg", JPEG)
    (sample,) = read_loose([Entry(path, str(tmp_path), "val", "a.jpg", "image")])
    assert (sample.image_id, sample.source.path, sample.source.name) == ("val/a.jpg", "a.jpg", "val")


def test_content_decides(tmp_path):
    """A JPEG named PNG is an image; a text named JPEG is none."""
    write(tmp_path / "a.png", JPEG)
    write(tmp_path / "b.jpg", b"hello")
    assert one(tmp_path, "a.png").error == ""
    sample = one(tmp_path, "b.jpg")
    assert (sample.error, sample.detail) == ("not_an_image", "b.jpg: its first bytes are of no known image format")
    assert sample.source.members[0].sha256 == hashlib.sha256(b"hello").hexdigest()


def test_an_empty_file(tmp_path):
    """It says that it is empty."""
    write(tmp_path / "a.jpg", b"")
    assert one(tmp_path, "a.jpg").detail == "a.jpg: the file is empty (0 bytes)"


def test_a_stray(tmp_path):
    """A file that is nobody's sidecar is a record; one that turns out to be an image is an image."""
    path = write(tmp_path / "notes.doc", b"text")
    image = write(tmp_path / "img", PNG)
    entries = [Entry(path, "", "", "notes.doc", "stray"), Entry(image, "", "", "img", "stray")]
    assert [sample.error for sample in read_loose(entries)] == ["not_an_image", ""]


def test_over_the_limit(tmp_path):
    """The figure and the limit; a huge file that is no image is just that. Nothing of it is held."""
    with (tmp_path / "big.jpg").open("wb") as file:
        file.write(JPEG)
        file.truncate(1 << 40)
    with (tmp_path / "big.iso").open("wb") as file:
        file.truncate(1 << 40)
    sample = one(tmp_path, "big.jpg")
    assert (sample.error, sample.detail) == (
        "over_limit",
        f"big.jpg has {1 << 40:,} bytes, over the limit of 64,000,000; {RAISE}",
    )
    assert sample.source.members[0].length == 1 << 40
    assert one(tmp_path, "big.iso").error == "not_an_image"


def test_a_sidecar_over_the_limit(tmp_path):
    """The image cannot travel without it."""
    write(tmp_path / "a.jpg", JPEG)
    write(tmp_path / "a.bin", b"x" * 1000)
    sample = one(tmp_path, "a.jpg", ("a.bin",), max_bytes=999)
    assert (sample.error, sample.detail) == ("over_limit", f"a.bin has 1,000 bytes, over the limit of 999; {RAISE}")


def test_what_cannot_be_read(tmp_path):
    """Gone, a pipe, a directory, a dangling link, a sidecar that is gone: each one record, and nothing waits."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "dir.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("nowhere")
    write(tmp_path / "a.jpg", JPEG)
    for name in ("gone.jpg", "pipe.jpg", "dir.jpg", "link.jpg"):
        sample = one(tmp_path, name)
        assert (sample.image_id, sample.error, sample.image) == (name, "unreadable", b"")
        assert sample.detail.startswith(name)
    assert one(tmp_path, "a.jpg", ("a.txt",)).detail == "a.txt: No such file or directory"


def test_special_files_of_the_system_end():
    """Files whose size says zero but that have content are read to no harm."""
    (sample,) = read_loose([entry_at("/proc/self/status")])
    assert sample.error in {"not_an_image", "unreadable"}


def test_a_file_that_grows_meanwhile(tmp_path, monkeypatch):
    """A file that is still being written is not taken for whole."""
    path = write(tmp_path / "a.jpg", JPEG)
    opened = storage.open

    def open_and_grow(url):
        file = opened(url)
        seek = file.seek

        class Growing:
            def __enter__(self):
                return self

            def __exit__(self, *error):
                file.close()

            def seek(self, offset, whence=0):
                size = seek(offset, whence)
                if whence:
                    write(tmp_path / "a.jpg", JPEG + b"more")
                return size

            def read(self, length):
                return file.read(length)

        return Growing()

    monkeypatch.setattr(storage, "open", open_and_grow)
    assert next(read_loose([entry_at(path)])).detail == "a.jpg: the file changed while it was read"


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([b"", JPEG[:4], PNG[:8], b"GIF89a", b"BM"]))
def test_any_content_is_one_sample(tmp_path, data, head):
    """No content makes it raise; an image's bytes are exactly the file's."""
    write(tmp_path / "x.jpg", head + data)
    sample = one(tmp_path, "x.jpg")
    assert bool(sample.error) == bool(sample.detail)
    assert sample.image == (b"" if sample.error else head + data)


@pytest.mark.parametrize(("name", "kind"), [("a.tar", "tar"), ("a.TGZ", "tar"), ("a.JPG", "image"), ("a", "stray")])
def test_entry_at(name, kind):
    """An entry made from a place alone is classified by its name."""
    entry = entry_at(f"/base/d/{name}", root="/base", name="n")
    assert (entry.kind, entry.path, entry.image_id) == (kind, f"d/{name}", f"n/d/{name}")
