from __future__ import annotations

import os
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from tests.shards.builders import JPEG, PNG, tar_bytes, write

from nemo_curator import storage
from nemo_curator.errors import DuplicateIdError, EmptyInputError, InputError, MissingInputError
from nemo_curator.shards.folder_reader import read_loose
from nemo_curator.shards.listing import Listing, list_inputs

TAR = tar_bytes([("k.jpg", JPEG)])


def fill(folder: Path, files: dict[str, bytes]) -> str:
    """Write files by relative path."""
    for name, data in files.items():
        write(folder / name, data)
    return str(folder)


def kinds(listing: Listing) -> dict[str, str]:
    """Id to kind of every entry, in order."""
    return {entry.image_id: entry.kind for entry in listing.entries}


def test_a_directory(tmp_path):
    """Tars, images by name and by content, sidecars, strays and what is ignored, in order of path."""
    root = fill(
        tmp_path,
        {
            "b/1.jpg": JPEG,
            "b/1.txt": b"caption",
            "b/1.json": b"{}",
            "b/2": PNG,
            "b/3.dat": JPEG,
            "a.tar": TAR,
            "c.tar.zst": b"",
            "d.bin": TAR,
            "video.mp4": b"\0\0\0\x20ftypisom",
            "empty": b"",
            "LICENSE": b"MIT",
            "b/readme.MD": b"#",
            ".hidden.jpg": JPEG,
            ".cache/x.jpg": JPEG,
            "e.jpeg": b"no image at all",
        },
    )
    listing = list_inputs([root])
    assert kinds(listing) == {
        "a.tar": "tar",
        "b/1.jpg": "image",
        "b/2": "image",
        "b/3.dat": "image",
        "c.tar.zst": "tar",
        "d.bin": "tar",
        "e.jpeg": "image",
        "empty": "stray",
        "video.mp4": "stray",
    }
    assert listing.ignored == (
        (".cache/x.jpg", "hidden"),
        (".hidden.jpg", "hidden"),
        ("LICENSE", "a document about the data"),
        ("b/readme.MD", "a document about the data"),
    )
    image = listing.entries[1]
    assert (image.location, image.root, image.name, image.size) == (f"{root}/b/1.jpg", root, "", len(JPEG))
    assert image.sidecars == ("b/1.json", "b/1.txt")
    assert list_inputs([root + "/"]) == listing


def test_sidecars(tmp_path):
    """They share the stem up to the last dot, in the same directory, with every image of that stem."""
    root = fill(
        tmp_path,
        {
            "a.jpg": JPEG,
            "a.png": PNG,
            "a.txt": b"",
            "a.seg.png": PNG,
            "a.seg.txt": b"",
            "sub/a.txt": b"",
            "LICENSE.jpg": JPEG,
            "LICENSE": b"its own",
            "b.mask": b"mask",
            "b.webp": JPEG,
        },
    )
    entries = {entry.path: entry.sidecars for entry in list_inputs([root]).entries}
    assert entries == {
        "LICENSE.jpg": ("LICENSE",),
        "a.jpg": ("a.txt",),
        "a.png": ("a.txt",),
        "a.seg.png": ("a.seg.txt",),
        "b.webp": ("b.mask",),
        "sub/a.txt": (),
    }


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        ("LICENSE", True),
        ("License.txt", True),
        ("LICENCE.md", True),
        ("LICENSE-MIT", True),
        ("README.rst", True),
        ("readme_first.txt", True),
        ("COPYING", True),
        ("NOTICE.md", True),
        ("CHANGELOG.md", True),
        ("README.json", False),
        ("LICENSES.zip", False),
        ("noticeboard.txt", False),
        ("notes.txt", False),
    ],
)
def test_documents(tmp_path, name, ignored):
    """Only files of these names about the data are passed over; anything else is accounted for."""
    listing = list_inputs([fill(tmp_path, {"x.jpg": JPEG, name: b"text"})])
    assert (name in dict(listing.ignored)) is ignored
    assert (name in kinds(listing)) is not ignored


def test_known_sidecars_are_not_opened(tmp_path, monkeypatch):
    """A million captions beside images cost no read."""
    root = fill(tmp_path, {"a.jpg": JPEG, "a.txt": b"", "b.txt": JPEG})
    asked = []
    read_range = storage.read_range
    monkeypatch.setattr(storage, "read_range", lambda url, *rest: asked.append(url) or read_range(url, *rest))
    assert kinds(list_inputs([root])) == {"a.jpg": "image", "b.txt": "image"}
    assert asked == [f"{root}/b.txt"]


def test_odd_files_are_accounted_for_and_never_opened(tmp_path):
    """Pipes and dangling links become records; loops are listed as ignored; nothing hangs."""
    root = fill(tmp_path, {"d/x.jpg": JPEG, "a.tar.tmp-0123456789ab": TAR})
    (tmp_path / "d/loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "other")
    os.mkfifo(tmp_path / "pipe.jpg")
    listing = list_inputs([root])
    assert kinds(listing) == {"d/x.jpg": "image", "gone": "stray", "other": "stray", "pipe.jpg": "image"}
    assert [path for path, _ in listing.ignored] == ["a.tar.tmp-0123456789ab", "d/loop"]
    errors = [sample.error for sample in read_loose(listing.entries)]
    assert errors == ["", "unreadable", "unreadable", "unreadable"]


def test_names_that_are_not_utf8(tmp_path):
    """They are stored as text, and lead back to the file."""
    root = fill(tmp_path, {"a\udcff.jpg": JPEG, "a\udcff.txt": b"caption"})
    (entry,) = list_inputs([root]).entries
    assert (entry.path, entry.sidecars) == ("a\\xff.jpg", ("a\\xff.txt",))
    (sample,) = read_loose([entry])
    assert sample.sidecars == {"a\\xff.txt": b"caption"}


def test_several_inputs_have_names(tmp_path):
    """Directories are named by their last component, or by the user; a file's ids begin with its name."""
    one = fill(tmp_path / "train", {"x.jpg": JPEG})
    two = fill(tmp_path / "more/val", {"x.jpg": JPEG, "README": b""})
    tar = write(tmp_path / "t.tar", TAR)
    listing = list_inputs([two, one, tar])
    assert list(kinds(listing)) == ["val/x.jpg", "train/x.jpg", "t.tar"]
    assert listing.ignored == (("val/README", "a document about the data"),)
    assert [entry.root for entry in listing.entries] == [two, one, ""]
    assert list(kinds(list_inputs([f"first={one}", f"second={tar}"]))) == ["first/x.jpg", "second/t.tar"]


def test_one_input_has_no_name_unless_given(tmp_path):
    """The ids of a single directory are plain paths."""
    root = fill(tmp_path / "train", {"x.jpg": JPEG})
    assert list(kinds(list_inputs([root]))) == ["x.jpg"]
    assert list(kinds(list_inputs([f"mine={root}"]))) == ["mine/x.jpg"]


def test_a_path_with_an_equals_sign(tmp_path):
    """A path that is there is a path, whatever it looks like."""
    root = fill(tmp_path / "a=b", {"x.jpg": JPEG})
    assert list(kinds(list_inputs([root]))) == ["x.jpg"]
    assert list(kinds(list_inputs([f"n={root}"]))) == ["n/x.jpg"]


def test_the_current_directory(tmp_path, monkeypatch):
    """A dot is a directory like any other; among several it has its real name."""
    fill(tmp_path / "here", {"x.jpg": JPEG, "sub/x.jpg": JPEG})
    monkeypatch.chdir(tmp_path / "here")
    assert list(kinds(list_inputs(["."]))) == ["sub/x.jpg", "x.jpg"]
    assert list(kinds(list_inputs([".", "sub"]))) == ["here/sub/x.jpg", "here/x.jpg", "sub/x.jpg"]
    (entry,) = list_inputs(["x.jpg"]).entries
    assert (entry.location, entry.path) == ("x.jpg", "x.jpg")


def test_loose_files_as_inputs(tmp_path):
    """What a shell's `*` hands over: each file once, captions as sidecars, also those that were not named."""
    root = fill(tmp_path, {"a.jpg": JPEG, "a.txt": b"", "b.png": PNG, "b.json": b"{}", "c.doc": b"", "README.md": b""})
    listing = list_inputs([f"{root}/{name}" for name in ("a.jpg", "a.txt", "b.png", "c.doc", "README.md")])
    assert kinds(listing) == {"a.jpg": "image", "b.png": "image", "c.doc": "stray"}
    assert [entry.sidecars for entry in listing.entries] == [("a.txt",), ("b.json",), ()]
    assert listing.ignored == (("README.md", "a document about the data"),)


def test_files_named_outright(tmp_path):
    """A hidden file that somebody names is meant."""
    root = fill(tmp_path, {".x.jpg": JPEG, "y": TAR})
    assert kinds(list_inputs([f"{root}/.x.jpg"])) == {".x.jpg": "image"}
    assert kinds(list_inputs([f"{root}/y"])) == {"y": "tar"}


@pytest.mark.parametrize("other", ["a.tar.gz", "a.tgz", "a.tar.zst", "a"])
def test_two_shards_of_one_stem(tmp_path, other):
    """Their samples would get the same ids: an error that names both."""
    root = fill(tmp_path, {"a.tar": TAR, other: TAR})
    with pytest.raises(DuplicateIdError, match="the same ids") as caught:
        list_inputs([root])
    assert f"{root}/a.tar" in str(caught.value)
    assert f"{root}/{other}" in str(caught.value)


def test_two_inputs_of_one_name(tmp_path):
    """An error that names both and says how to tell them apart."""
    one, two = (fill(tmp_path / f"{n}/set", {"x.jpg": JPEG}) for n in "ab")
    with pytest.raises(DuplicateIdError, match=r"a/set and .*b/set.*NAME=PATH"):
        list_inputs([one, two])
    with pytest.raises(DuplicateIdError, match=r"a/set/x.jpg and .*b/set/x.jpg"):
        list_inputs([f"{one}/x.jpg", f"{two}/x.jpg"])
    with pytest.raises(DuplicateIdError, match="given twice"):
        list_inputs([f"{one}/x.jpg", f"{one}/x.jpg"])


def test_missing_inputs(tmp_path):
    """One sentence, with the nearest name if there is one."""
    fill(tmp_path, {"photos/x.jpg": JPEG})
    with pytest.raises(MissingInputError, match=r"there is nothing at this path; did you mean 'photos'\?"):
        list_inputs([f"{tmp_path}/phots"])
    with pytest.raises(MissingInputError, match="check the path"):
        list_inputs([f"{tmp_path}/photos/x.jpg/y"])
    with pytest.raises(MissingInputError):
        list_inputs(["no-such-place-anywhere"])
    with pytest.raises(InputError, match="kind of URL"):
        list_inputs(["nosuch://x"])


def test_empty_inputs(tmp_path):
    """An input with nothing to account for is one sentence with the next act."""
    with pytest.raises(EmptyInputError, match=r"holds no file.*give a directory"):
        list_inputs([str(tmp_path)])
    root = fill(tmp_path, {"README.md": b""})
    with pytest.raises(EmptyInputError, match=r"1 files in it are ignored, 'README\.md' for one"):
        list_inputs([root])
    with pytest.raises(EmptyInputError, match="documents"):
        list_inputs([f"{root}/README.md"])
    with pytest.raises(EmptyInputError, match="no input is given"):
        list_inputs([])


def test_a_remote_directory():
    """A URL is listed alike."""
    for name, data in (("b/1.jpg", JPEG), ("b/1.txt", b"c"), ("a.tar", TAR), ("raw", PNG)):
        with storage.write_atomic(f"memory://set/{name}") as file:
            file.write(data)
    listing = list_inputs(["memory://set"])
    assert kinds(listing) == {"a.tar": "tar", "b/1.jpg": "image", "raw": "image"}
    assert listing.entries[1].sidecars == ("b/1.txt",)
    assert [sample.error for sample in read_loose(listing.entries[1:])] == ["", ""]
    assert kinds(list_inputs(["memory://set/b", "memory://set/a.tar"])) == {"b/1.jpg": "image", "a.tar": "tar"}
    assert list_inputs(["memory://set/b/1.jpg"]).entries[0].sidecars == ("1.txt",)
    MemoryFileSystem.store.clear()


def test_the_same_list_every_time(tmp_path):
    """Order of creation does not matter."""
    names = [f"{n % 3}/{n}.jpg" for n in range(30)]
    one = fill(tmp_path / "one", dict.fromkeys(names, JPEG))
    two = fill(tmp_path / "two", dict.fromkeys(reversed(names), JPEG))
    assert list(kinds(list_inputs([one]))) == list(kinds(list_inputs([two]))) == sorted(names)


def test_the_real_photos(photos):
    """Eight shards and a licence."""
    listing = list_inputs([str(photos)])
    assert [entry.path for entry in listing.entries] == [f"{n:05d}.tar" for n in range(8)]
    assert listing.ignored == (("LICENSE", "a document about the data"),)


def test_versions_and_sizes_of_every_kind(tmp_path):
    """Tars, images and strays carry the size and version of their file, in a folder or given by themselves."""
    root = fill(tmp_path, {"a.tar": TAR, "b.jpg": JPEG, "c.bin": b"x"})
    for given in ([root], [f"{root}/a.tar", f"{root}/b.jpg"]):
        for entry in list_inputs(given).entries:
            stored = storage.stat(entry.location)
            assert (entry.size, entry.version) == (stored.size, stored.version)
            assert entry.version
    before = {entry.path: entry.version for entry in list_inputs([root]).entries}
    os.utime(tmp_path / "b.jpg", ns=(1, 1))
    after = {entry.path: entry.version for entry in list_inputs([root]).entries}
    assert {path for path in before if after[path] != before[path]} == {"b.jpg"}
