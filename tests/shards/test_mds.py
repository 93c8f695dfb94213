"""MDS shards as bytes: what is written is read again, and nothing hostile ends in more than one sentence."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_curator.errors import InputError
from nemo_curator.shards import mds_writer
from nemo_curator.shards.mds_format import MdsColumn
from nemo_curator.shards.mds_reader import MdsDamageError, MdsFile
from nemo_curator.shards.mds_writer import MdsWriter

COLUMNS = (MdsColumn("image", "bytes"), MdsColumn("score", "float64", 8), MdsColumn("text", "str"))
SAMPLES = ([b"abc", bytes(8), b""], [b"", bytes(range(8)), "é".encode()])


def written(samples=SAMPLES, columns=COLUMNS):
    """The bytes of a shard."""
    pieces = []
    with MdsWriter(columns) as writer:
        for values in samples:
            writer.add(values)
        writer.write_to(pieces.append)
    return b"".join(pieces)


def opened(tmp_path, data):
    """A shard of these bytes, with the descriptor that is to be closed."""
    path = tmp_path / "shard.mds"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return MdsFile(descriptor, len(data)), descriptor
    except BaseException:
        os.close(descriptor)
        raise


def test_a_shard_byte_for_byte():
    """The layout is that of the format: count, places, columns, and each sample's lengths before its values."""
    data = written()
    said = (
        b'{"column_encodings": ["bytes", "float64", "str"], "column_names": ["image", "score", "text"], '
        b'"column_sizes": [null, 8, null], "compression": null, "format": "mds", "hashes": ["sha256"], '
        b'"size_limit": null, "version": 2}'
    )
    front = 16 + len(said)
    places = [front, front + 19, front + 19 + 18]
    assert data[:16] == b"".join(one.to_bytes(4, "little") for one in (2, *places))
    assert data[16:front] == said
    assert data[front:] == (b"\3\0\0\0\0\0\0\0abc" + bytes(8) + b"\0\0\0\0\2\0\0\0" + bytes(range(8)) + "é".encode())
    assert places[-1] == len(data)


def test_values_come_back(tmp_path):
    """Every value is read by its sample and its column, alone or with the others."""
    file, descriptor = opened(tmp_path, written())
    assert (file.samples, file.columns) == (2, COLUMNS)
    for at, values in enumerate(SAMPLES):
        assert list(file.values(at).values()) == values
        assert [file.value(at, one.name) for one in COLUMNS] == values
    with pytest.raises(KeyError):
        file.value(0, "nothing")
    os.close(descriptor)


def test_samples_that_do_not_fit_into_memory_are_the_same(monkeypatch):
    """Where samples wait is not seen in the file."""
    whole = written()
    monkeypatch.setattr(mds_writer, "_IN_MEMORY", 10)
    monkeypatch.setattr(mds_writer, "_PIECE", 7)
    assert written() == whole


def test_what_the_format_cannot_say(monkeypatch):
    """Values of another length than their column's, too few of them, and a shard beyond 32 bits are refused."""
    with pytest.raises(ValueError, match="score has 3 bytes, not 8"):
        written([[b"", b"abc", b""]])
    with pytest.raises(ValueError, match="zip"):
        written([[b"", bytes(8)]])
    length = len(written())
    monkeypatch.setattr(mds_writer, "MOST_BYTES", length)
    assert len(written()) == length
    monkeypatch.setattr(mds_writer, "MOST_BYTES", length - 1)
    with pytest.raises(InputError, match=r"longer than 4 GiB.*\n?.*shard-bytes"):
        written()


@pytest.mark.parametrize(
    "said",
    [
        b"{",
        b"[]",
        b"{}",
        json.dumps({"column_names": ["a"], "column_encodings": ["str"], "column_sizes": [None, None]}).encode(),
        json.dumps({"column_names": ["a"], "column_encodings": [1], "column_sizes": [None]}).encode(),
        json.dumps({"column_names": ["a"], "column_encodings": ["int"], "column_sizes": [-8]}).encode(),
        json.dumps({"column_names": ["a"], "column_encodings": ["int"], "column_sizes": [True]}).encode(),
        json.dumps({"column_names": ["a", "a"], "column_encodings": ["int"] * 2, "column_sizes": [8] * 2}).encode(),
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_hostile_heads(tmp_path, said):
    """A head that names no columns is damage, whatever it says instead."""
    front = 8 + len(said) + 4
    data = (1).to_bytes(4, "little") + 2 * (front).to_bytes(4, "little") + said
    with pytest.raises(MdsDamageError):
        opened(tmp_path, data)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_change_is_damage_or_other_values(tmp_path_factory, data):
    """Whatever bytes are changed, cut or added: a sentence of ours, or values that lie in the file."""
    place = tmp_path_factory.mktemp("mds")
    whole = bytearray(written())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.sampled_from([0, 1, 127, 255, whole[at] ^ 1]))
    changed = bytes(whole)[: data.draw(st.integers(0, len(whole)))] if data.draw(st.booleans()) else bytes(whole)
    try:
        file, descriptor = opened(place, changed)
    except MdsDamageError:
        return
    for at in range(file.samples):
        try:
            values = file.values(at)
        except MdsDamageError:
            continue
        assert sum(map(len, values.values())) <= len(changed)
    os.close(descriptor)
