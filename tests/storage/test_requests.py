"""How many requests the verbs of `storage` make of files elsewhere, and that what they bring is what is there."""

from __future__ import annotations

import threading

import fsspec
import pytest
from fsspec.registry import _registry
from tests.counted_files import CountedFiles

from nemo_curator import storage

SIZES = [0, 1, 1000, (1 << 19) - 1, 1 << 19, (1 << 19) + 1, (1 << 21) + 7]


def numbered(size):
    """Bytes of which no two stretches are alike."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


def put(url, data):
    """Write a file."""
    with storage.write_atomic(url) as file:
        file.write(data)


@pytest.mark.parametrize("size", SIZES)
def test_the_end_of_a_file_is_one_request(asked, tmp_path, size):
    """The last bytes are those that are there, all of a shorter file, and elsewhere they take one request."""
    data = numbered(size)
    for url in ("counted://bucket/file", str(tmp_path / "file")):
        put(url, data)
        for length in (1, 100, size, size + 1, 1 << 20):
            asked.clear()
            assert storage.read_end(url, length) == (data[-length:] if length else b"")
            assert len(asked) <= 1
    with pytest.raises(FileNotFoundError):
        storage.read_end("counted://bucket/none", 10)


def test_a_client_that_knows_no_ends(asked):
    """It is asked for the length first, and what it brings is the same."""
    fsspec.register_implementation("adl", CountedFiles, clobber=True)
    try:
        put("adl://bucket/file", numbered(1000))
        asked.clear()
        assert storage.read_end("adl://bucket/file", 10) == numbered(1000)[-10:]
        assert [kind for kind, _ in asked] == ["HEAD", "GET"]
        with storage.open("adl://bucket/file", from_end=True) as file:
            assert file.read() == numbered(1000)
    finally:
        _registry.pop("adl")


@pytest.mark.parametrize("size", SIZES)
def test_a_file_from_its_end(asked, size):
    """Whatever is read of it, in any order, is what is there; a small one takes one request."""
    data = numbered(size)
    put("counted://bucket/file", data)
    asked.clear()
    with storage.open("counted://bucket/file", from_end=True) as file:
        assert file.seek(0, 2) == size
        for start, length in (
            (size - 8, 8),
            (0, 10),
            (size // 2, 70_000),
            (size - 600_000, 300_000),
            (5, size),
            (size, 9),
        ):
            file.seek(max(0, start))
            assert file.read(length) == data[max(0, start) :][:length]
        file.seek(0)
        assert file.read() == data
    if size < 1 << 19:
        assert asked == [("GET", "bucket/file")]


def test_a_stretch_behind_a_jump_is_one_request(asked):
    """The end, the length, and one range for a stretch of any length before: no second one for its last bytes."""
    data = numbered(3 << 20)
    put("counted://bucket/file", data)
    asked.clear()
    with storage.open("counted://bucket/file", from_end=True) as file:
        file.seek(-8, 2)
        assert file.read() == data[-8:]
        file.seek(1000)
        assert file.read(1_234_567) == data[1000:1_235_567]
    assert [kind for kind, _ in asked] == ["GET", "HEAD", "GET"]


def test_many_at_once_come_in_order(asked):
    """Elsewhere some are on their way at once, however the answers come; an error comes where its answer would."""
    met = threading.Barrier(4, timeout=30)

    def ask(number):
        if 1 <= number <= 4:
            met.wait()  # nobody gets by alone
        if number == 9:
            raise ValueError("the ninth")
        return number

    found = []
    with pytest.raises(ValueError, match="the ninth"):
        found.extend(storage.at_once(ask, range(20), "counted://bucket", 4))
    assert found == list(range(9))
    assert list(storage.at_once(ask, [], "counted://bucket")) == []
    assert list(storage.at_once(ask, [0], "counted://bucket")) == [0]


def test_here_they_come_one_after_the_other(tmp_path):
    """On this machine nothing is asked before it is wanted, and nothing in another thread."""
    seen = []

    def ask(number):
        seen.append(threading.current_thread())
        return number

    answers = storage.at_once(ask, range(5), str(tmp_path))
    assert next(answers) == 0
    assert seen == [threading.current_thread()]
    assert list(answers) == [1, 2, 3, 4]
