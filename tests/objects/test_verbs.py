"""The verbs of `storage` on a real object store, request by request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from nemo_curator import storage
from nemo_curator.errors import StorageError, UnreachableError


def write(url, data):
    """Write a file."""
    with storage.write_atomic(url) as file:
        file.write(data)


def asked(proxy):
    """What was asked for since the last look, as (method, last part of the path)."""
    found = [("LIST" if one.is_listing else one.method, one.path.rpartition("/")[2]) for one in proxy.requests]
    proxy.forget()
    return found


def test_each_verb_costs_one_request(near, bucket):
    """To write, to read a range, to read a small file, to ask about one, to list: one request each."""
    write(f"{bucket}/a/x.bin", bytes(range(100)))
    assert asked(near) == [("PUT", "x.bin")]
    assert storage.read_range(f"{bucket}/a/x.bin", 10, 5) == bytes(range(10, 15))
    assert asked(near) == [("GET", "x.bin")]
    with storage.open(f"{bucket}/a/x.bin") as file:
        assert file.seek(0, 2) == 100
        file.seek(0)
        assert file.read() == bytes(range(100))
    assert asked(near) == [("GET", "x.bin")]
    assert storage.stat(f"{bucket}/a/x.bin").size == 100
    assert asked(near) == [("HEAD", "x.bin")]
    (found,) = storage.list(bucket)
    assert (found.url, found.size) == (f"{bucket}/a/x.bin", 100)
    assert {kind for kind, _ in asked(near)} == {"LIST"}
    storage.remove(f"{bucket}/a/x.bin")
    assert [kind for kind, _ in asked(near)] == ["DELETE"]
    assert not storage.exists(f"{bucket}/a/x.bin")


def test_a_large_file_is_read_in_few_requests(near, bucket, store):
    """What is read from front to end takes one request for each 8 MB; what is read at its end alone, two or three."""
    data = bytes(range(256)) * (20 << 12)  # 20 MB
    write(f"{bucket}/large", data)
    assert asked(near) == [("PUT", "large")]
    with storage.open(f"{bucket}/large", whole=True) as file:
        assert file.read() == data
    assert asked(near) == [("GET", "large")] * 3
    with storage.open(f"{bucket}/large") as file:
        file.seek(-1000, 2)
        assert file.read() == data[-1000:]
        file.seek(5)
        assert file.read(10) == data[5:15]
    found = asked(near)
    assert found.count(("HEAD", "large")) == 1
    assert len(found) <= 4


@pytest.mark.parametrize("size", [0, 1, (1 << 19) - 1, 1 << 19, (1 << 19) + 1, 1 << 23])
def test_files_of_every_size_are_read_whole(near, bucket, size):
    """Also those that end where a request does, and those that hold nothing."""
    write(f"{bucket}/file", b"x" * size)
    for whole in (False, True):
        with storage.open(f"{bucket}/file", whole=whole) as file:
            assert file.read() == b"x" * size
            assert file.read() == b""
            assert file.seek(0, 2) == size
    assert storage.read_range(f"{bucket}/file", size, 10) == b""
    assert storage.read_range(f"{bucket}/file", size + 5, 10) == b""
    assert storage.read_range(f"{bucket}/file", max(0, size - 1), 10) == b"x" * min(size, 1)


def test_what_is_not_there(near, bucket):
    """A missing file, a missing folder and a missing bucket are missing, and the bucket is named as such."""
    for missing in (lambda: storage.open(f"{bucket}/none"), lambda: storage.read_range(f"{bucket}/none", 0, 1)):
        with pytest.raises(FileNotFoundError, match="No such file"):
            missing()
    with pytest.raises(FileNotFoundError):
        storage.list(f"{bucket}/none")
    with pytest.raises(FileNotFoundError, match="bucket does not exist"):
        storage.list("s3://nosuchbucket/x")
    with pytest.raises(StorageError, match=r"the bucket does not exist.*make it"):
        write("s3://nosuchbucket/x", b"1")
    storage.remove(f"{bucket}/none")


FAULTS = ("500", "503", "reset", "cut", "slow", "502")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_verb_gets_over_faults(near, bucket, fault):
    """Of each request the first two tries fail: everything goes well, and what is read is whole."""
    near.schedule = lambda request: fault if request.seen < (1 if fault == "slow" else 2) else None
    data = b"0123456789" * 1000
    write(f"{bucket}/a", data)
    assert storage.read_range(f"{bucket}/a", 5, 1000) == data[5:1005]
    with storage.open(f"{bucket}/a") as file:
        assert file.read() == data
    assert storage.stat(f"{bucket}/a").size == len(data)
    assert [one.size for one in storage.list(bucket)] == [len(data)]
    storage.remove(f"{bucket}/a")
    near.schedule = None
    assert not storage.exists(f"{bucket}/a")


def test_an_answer_that_is_lost(near, bucket):
    """A file that was written although its answer was lost is written again, with the same bytes."""
    near.schedule = lambda request: "lost" if request.seen == 0 else None
    write(f"{bucket}/a", b"abc")
    assert [kind for kind, _ in asked(near)] == ["PUT", "PUT"]
    near.schedule = None
    assert storage.read_range(f"{bucket}/a", 0, 9) == b"abc"


def test_a_storage_that_goes_on_failing(near, bucket):
    """After the tries that it is given, it is an error that says so, and none that a missing file could be."""
    storage.use({"s3": {"retries": 3}})
    near.schedule = lambda _: "503"
    for verb in (
        lambda: storage.open(f"{bucket}/a"),
        lambda: storage.exists(f"{bucket}/a"),
        lambda: storage.list(bucket),
    ):
        near.forget()
        with pytest.raises(UnreachableError, match=r"HTTP 503.*run the same command again"):
            verb()
        assert len(near.requests) == 4
    with pytest.raises(StorageError, match="HTTP 503"):
        write(f"{bucket}/a", b"1")


def test_a_storage_that_does_not_answer(near, bucket):
    """A request that gets no answer is given up after the time that the recipe says, and made again."""
    storage.use({"s3": {"read_timeout": 1}})
    near.schedule = lambda request: "stall" if request.seen == 0 else None
    write(f"{bucket}/a", b"abc")
    assert storage.read_range(f"{bucket}/a", 0, 9) == b"abc"


def test_credentials_that_are_wrong(near, bucket, monkeypatch):
    """They are refused at once, by a sentence that says where they are looked for and does not say them."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng-and-secret")
    for verb in (
        lambda: storage.open(f"{bucket}/a"),
        lambda: storage.stat(f"{bucket}/a"),
        lambda: storage.list(bucket),
    ):
        near.forget()
        with pytest.raises(UnreachableError, match="AWS_SECRET_ACCESS_KEY") as caught:
            verb()
        assert len(near.requests) == 1
        assert "wr0ng" not in str(caught.value)
    with pytest.raises(StorageError, match="does not permit it to be written"):
        write(f"{bucket}/a", b"1")


def test_one_of_many_creates_a_file(near, bucket):
    """Of threads that all create one file, one does; the others are told so, and what it wrote stays."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: storage.create(f"{bucket}/file", b"%d" % number), range(8)))
    assert sum(made) == 1
    assert storage.read_range(f"{bucket}/file", 0, 9) == b"%d" % made.index(True)
