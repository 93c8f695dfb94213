from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations

from nemo_curator import storage
from nemo_curator.errors import InputError, MissingExtraError, StorageError, UnreachableError
from nemo_curator.storage import local


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 kB; skipped where this user may not mount one."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_import_loads_no_fsspec():
    """Local runs pay nothing for remote storage."""
    code = "import sys, nemo_curator.storage as s; s.list('.'); sys.exit('fsspec' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _write(url, *pieces, then=None):
    """Write pieces atomically, and then raise, if asked to."""
    with storage.write_atomic(str(url)) as file:
        for piece in pieces:
            file.write(piece)
        if then is not None:
            raise then


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("a", "b"), "a/b"),
        (("a/", "b", "c"), "a/b/c"),
        (("", "b"), "b"),
        (("s3://x", "y"), "s3://x/y"),
        (("/", "a"), "/a"),
        (("a", ""), "a/"),
    ],
)
def test_join_puts_single_slashes(parts, joined):
    """Paths and URLs are joined alike."""
    assert storage.join(*parts) == joined


def test_is_local():
    """Only a foreign scheme makes a URL remote."""
    assert storage.is_local("a/b")
    assert storage.is_local("/a")
    assert storage.is_local("file:///a")
    assert not storage.is_local("s3://bucket/a")


def test_list_is_recursive_sorted_bytewise_and_sized(tmp_path):
    """Every file below is found once, with its size, sorted as bytes of the whole path."""
    for name in ("b/x", "a-b/y", "a/z", "B", "é"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    found = storage.list(str(tmp_path))
    names = [stored.url.removeprefix(f"{tmp_path}/") for stored in found]
    assert names == ["B", "a-b/y", "a/z", "b/x", "é"]
    assert {(stored.size, stored.kind) for stored in found} == {(5, "file")}


def test_list_not_recursive_stays_in_the_directory(tmp_path):
    """Directories below are not entered when nobody asked."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/in").touch()
    (tmp_path / "out").touch()
    assert [stored.url for stored in storage.list(str(tmp_path), recursive=False)] == [f"{tmp_path}/out"]


def test_list_of_a_file_is_that_file(tmp_path):
    """A file's URL lists itself."""
    (tmp_path / "a").write_bytes(b"abc")
    assert storage.list(str(tmp_path / "a")) == [storage.Stored(str(tmp_path / "a"), 3)]


def test_symlink_loops_end_and_are_reported(tmp_path):
    """A link to a parent is said to be a loop; its files are listed once, under their real place."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "0first").symlink_to(tmp_path / "a/b")
    found = {stored.url.removeprefix(f"{tmp_path}/"): stored.kind for stored in storage.list(str(tmp_path))}
    assert found == {"0first": "loop", "a/b/file": "file", "a/b/up": "loop"}


def test_links_to_elsewhere_are_followed(tmp_path):
    """Data sets are often gathered by links to directories and files outside."""
    (tmp_path / "else/deep").mkdir(parents=True)
    (tmp_path / "else/deep/file").write_bytes(b"1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/dir").symlink_to(tmp_path / "else")
    (tmp_path / "set/one").symlink_to(tmp_path / "else/deep/file")
    root = str(tmp_path / "set")
    assert storage.list(root) == [storage.Stored(f"{root}/dir/deep/file", 1), storage.Stored(f"{root}/one", 1)]


def test_odd_things_are_listed_by_kind_and_never_opened(tmp_path):
    """A pipe, a dangling link and a link to itself are accounted for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "self").symlink_to("self")
    kinds = [stored.kind for stored in storage.list(str(tmp_path))]
    assert kinds == ["broken", "special", "broken"]


def test_a_closed_directory_is_listed_as_unreadable():
    """What cannot be listed is said, not passed over."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        (root / "closed").mkdir(mode=0o000)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            kinds = {stored.kind for stored in storage.list(place)}
        finally:
            os.seteuid(user)
        assert kinds == {"unreadable"}


def test_listing_nothing_raises(tmp_path):
    """A place that is not there is an error, not an empty list."""
    with pytest.raises(FileNotFoundError):
        storage.list(str(tmp_path / "nothing"))


def test_non_utf8_names_open(tmp_path):
    """A name that is not UTF-8 is listed and its URL opens the file."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")).write_bytes(b"x")
    (found,) = storage.list(str(tmp_path))
    with storage.open(found.url) as file:
        assert file.read() == b"x"


def test_open_refuses_pipes_and_directories_at_once(tmp_path):
    """Opening a pipe that nobody writes to does not wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="Not a regular file"):
        storage.open(str(tmp_path / "pipe"))
    with pytest.raises(IsADirectoryError):
        storage.open(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        storage.open(str(tmp_path / "none"))


def test_open_only_reads(tmp_path):
    """There is one way to write, and it is atomic."""
    with pytest.raises(ValueError, match="write_atomic"):
        storage.open(str(tmp_path / "a"), "wb")


def test_stat_exists_is_directory(tmp_path):
    """Size and kind of a place."""
    (tmp_path / "a").write_bytes(b"abc")
    assert storage.stat(str(tmp_path / "a")) == storage.Stored(str(tmp_path / "a"), 3)
    assert storage.stat(str(tmp_path)).is_dir
    assert storage.is_directory(str(tmp_path))
    assert not storage.is_directory(str(tmp_path / "a"))
    assert storage.exists(str(tmp_path / "a"))
    assert not storage.exists(str(tmp_path / "b"))
    assert not storage.is_directory(str(tmp_path / "b"))


def test_read_range(tmp_path):
    """A range is cut short at the end of the file."""
    (tmp_path / "a").write_bytes(b"0123456789")
    assert storage.read_range(str(tmp_path / "a"), 3, 4) == b"3456"
    assert storage.read_range(f"file://{tmp_path}/a", 8, 4) == b"89"
    assert storage.read_range(str(tmp_path / "a"), 20, 4) == b""


def test_write_atomic_appears_whole_at_the_end(tmp_path):
    """Nothing is under the final name until the block ends, and nothing else remains."""
    place = tmp_path / "deep/er/file.bin"
    with storage.write_atomic(str(place)) as file:
        file.write(b"one")
        (temporary,) = place.parent.iterdir()
        assert storage.is_temporary(str(temporary))
        assert temporary.name.startswith("file.bin.tmp-")
    assert place.read_bytes() == b"one"
    assert [path.name for path in place.parent.iterdir()] == ["file.bin"]
    assert place.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    """This process's mask for new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_write_atomic_leaves_the_old_file_when_it_fails(tmp_path):
    """A body that raises changes nothing, and its error comes out as it is."""
    place = tmp_path / "file"
    place.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        _write(str(place), b"new", then=ZeroDivisionError())
    assert place.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_write_atomic_bears_a_writer_that_closes(tmp_path):
    """Some libraries close the file that they were given."""
    with storage.write_atomic(str(tmp_path / "file")) as file:
        file.write(b"all")
        file.close()
    assert (tmp_path / "file").read_bytes() == b"all"


def test_an_unrelated_os_error_is_not_blamed_on_the_output(tmp_path):
    """A body that fails to read its input says so itself."""
    with pytest.raises(FileNotFoundError), storage.write_atomic(str(tmp_path / "out")):
        storage.open(str(tmp_path / "missing"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("piece", [1000, 3_000_000], ids=["buffered", "at once"])
def test_a_full_disk_is_one_sentence(tiny_disk, piece):
    """On a really full file system the error says what to do and nothing remains."""
    with pytest.raises(StorageError) as caught:
        _write(str(tiny_disk / "00000.tar"), *[b"x" * piece] * (3_000_000 // piece))
    assert str(caught.value) == (
        f"{tiny_disk}/00000.tar: cannot be written (the disk is full); free space and run the same command again"
    )
    assert list(tiny_disk.iterdir()) == []


def test_a_disk_that_fills_at_the_last_flush(tiny_disk):
    """What fits the buffer but not the disk fails when the block ends, as cleanly."""
    with pytest.raises(StorageError, match="disk is full"), storage.write_atomic(str(tiny_disk / "file")) as file:
        file.write(b"x" * 400_000)
    assert list(tiny_disk.iterdir()) == []


def test_a_limit_on_file_size_is_one_sentence(tmp_path):
    """The same without a file system of one's own: a resource limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match="limit on file size"), storage.write_atomic(str(tmp_path / "a")) as file:
            file.write(b"x" * 2_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    """A file where a directory is needed, and a directory where the file should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/x: cannot be written"), storage.write_atomic(str(tmp_path / "file/x")):
        pass
    (tmp_path / "dir").mkdir()
    with pytest.raises(StorageError, match="directory of that name"), storage.write_atomic(str(tmp_path / "dir")):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dir", "file"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "permission"), (errno.EROFS, "read-only"), (errno.EIO, "device"), (errno.ENODEV, "No such device")],
)
def test_each_refusal_has_its_words(number, words):
    """The likely cause is named, or the system's own words where we know no better."""
    error = storage.storage_error("/out", OSError(number, os.strerror(number)))
    assert words in str(error)
    assert str(error).startswith("/out: cannot be written (")
    assert error.act


def test_remove_is_idempotent(tmp_path):
    """Removing what is gone is no error; removing what cannot be removed is."""
    (tmp_path / "a").touch()
    storage.remove(str(tmp_path / "a"))
    storage.remove(str(tmp_path / "a"))
    with pytest.raises(StorageError, match="cannot be removed"):
        storage.remove(str(tmp_path))


def test_temporary_names():
    """Only the exact form of our own temporary names is swept."""
    assert storage.is_temporary("/x/a.tar.tmp-0123456789ab")
    assert not storage.is_temporary("/x/a.tmp-1.jpg")
    assert not storage.is_temporary("/x.tmp-0123456789ab/a")


def test_remote_verbs(memory):
    """The same five verbs on a URL."""
    with storage.write_atomic(f"{memory}/b/x.bin") as file:
        file.write(b"0123456789")
        assert not storage.exists(f"{memory}/b/x.bin")
    with storage.write_atomic(f"{memory}/a.bin") as file:
        file.write(b"a")
    assert storage.list(memory) == [storage.Stored(f"{memory}/a.bin", 1), storage.Stored(f"{memory}/b/x.bin", 10)]
    assert [stored.url for stored in storage.list(f"{memory}/", recursive=False)] == [f"{memory}/a.bin"]
    assert storage.list(f"{memory}/a.bin") == [storage.Stored(f"{memory}/a.bin", 1)]
    assert storage.stat(memory).is_dir
    assert storage.stat(f"{memory}/b/x.bin").size == 10
    assert storage.read_range(f"{memory}/b/x.bin", 8, 10) == b"89"
    with storage.open(f"{memory}/b/x.bin") as file:
        file.seek(2)
        assert file.read(3) == b"234"
        assert file.read() == b"56789"
    storage.remove(f"{memory}/a.bin")
    storage.remove(f"{memory}/a.bin")
    assert not storage.exists(f"{memory}/a.bin")


def test_remote_write_that_fails_leaves_nothing(memory):
    """Neither the object nor the local temporary file remains."""
    before = set(Path(tempfile.gettempdir()).glob("imagecurator-*"))
    with pytest.raises(ZeroDivisionError):
        _write(f"{memory}/x", b"new", then=ZeroDivisionError())
    assert not storage.exists(f"{memory}/x")
    assert set(Path(tempfile.gettempdir()).glob("imagecurator-*")) == before


def test_remote_missing_places(memory):
    """A misspelt URL is an error, not an empty list."""
    with pytest.raises(FileNotFoundError):
        storage.list(f"{memory}/none")
    with pytest.raises(FileNotFoundError):
        storage.open(f"{memory}/none")


def test_urls_that_cannot_be_served(monkeypatch):
    """An unknown scheme, and one whose package is absent, are each one sentence."""
    with pytest.raises(InputError, match="kind of URL is not known"):
        storage.stat("nosuch://bucket/x")
    known = {"class": "no_such_package.Files", "err": "Install no_such_package"}
    monkeypatch.setitem(known_implementations, "absent", known)
    with pytest.raises(MissingExtraError, match="further package"):
        storage.stat("absent://bucket/x")


class _FailingFiles(MemoryFileSystem):
    """A backend with errors of its own kind."""

    protocol = "failing"
    cachable = False

    def info(self, path, **kwargs):
        """Fail in the backend's own way."""
        raise RuntimeError("throttled")

    def put_file(self, *args, **kwargs):
        """Fail in the backend's own way."""
        raise RuntimeError("throttled")


def test_every_backend_error_is_one_of_ours():
    """Whatever a backend raises, callers meet an error that cannot be taken for that of a missing or broken file."""
    fsspec.register_implementation("failing", _FailingFiles, clobber=True)
    with pytest.raises(UnreachableError, match="RuntimeError: throttled"):
        storage.stat("failing://x/y")
    with pytest.raises(StorageError, match="x/y: cannot be written"), storage.write_atomic("failing://x/y") as file:
        file.write(b"1")


def test_a_local_files_version_changes_with_its_bytes(tmp_path):
    """A file written anew has another version, told alike by `stat` and `list`; a folder has none, and none counts."""
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = storage.stat(str(path))
    assert first.version
    assert storage.list(str(tmp_path))[0].version == first.version
    os.utime(path, ns=(1, 1))
    second = storage.stat(str(path))
    assert second.version != first.version
    assert second == first
    assert storage.stat(str(tmp_path)).version == ""


def test_a_remote_files_version_is_the_stores(memory):
    """Of a store that says so, the same file has the same version each time, and one written anew has another."""
    found = []
    for data in (b"one", b"two"):
        with storage.write_atomic(f"{memory}/v.bin") as file:
            file.write(data)
        versions = {storage.stat(f"{memory}/v.bin").version for _ in range(2)}
        listed = {storage.list(memory)[0].version for _ in range(2)}
        assert len(versions) == len(listed) == 1
        found.append((versions, listed))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_pruning_looks_at_each_folder_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of folders every one is removed, and the work grows with their number, not its square."""
    root = tmp_path / "out"
    removed = [root / f"{top}" / f"{at}" / "file" for top in range(40) for at in range(50)]
    for path in removed:
        path.parent.mkdir(parents=True)
    (root / "7" / "3" / "left").write_text("x")
    looks = []

    def counted(text: str) -> int:
        looks.append(text)
        return text.__len__()

    monkeypatch.setattr(local, "len", counted, raising=False)
    local.prune_local(map(str, removed), str(root))
    assert [path for path in root.rglob("*") if path.is_file()] == [root / "7" / "3" / "left"]
    assert sorted(path.name for path in root.rglob("*") if path.is_dir()) == ["3", "7"]
    assert len(looks) < 3 * len(removed)
