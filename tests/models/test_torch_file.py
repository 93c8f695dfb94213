from __future__ import annotations

import os
import pickle
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from tests.models.formula import torch_file_tensors

from nemo_curator.errors import WeightsError, WeightsNotFoundError
from nemo_curator.models.torch_file import read_tensors, torch_outlines

# instructions of the pickle machine, so that a test can write what no honest library writes
PROTO, STOP, MARK, TUPLE, PERSID, REDUCE, DICT, SET = b"\x80\x02", b".", b"(", b"t", b"Q", b"R", b"}", b"s"
NONE, FALSE = b"N", b"\x89"
BLOCK = struct.pack("<q4f", 4, 0, 1, 2, 3)


def text(value):
    """A string."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    """An integer of any size."""
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def name(dotted):
    """A global."""
    module, _, attribute = dotted.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def several(*items):
    """A tuple."""
    return MARK + b"".join(items) + TUPLE


def storage(key="0", kind="torch.FloatStorage", count=4, *, tag="storage"):
    """A reference to a storage."""
    return several(text(tag), name(kind), text(key), text("cpu"), number(count)) + PERSID


def tensor(block=None, offset=0, shape=(2, 2), stride=(2, 1)):
    """A tensor over a storage."""
    sizes = several(*map(number, shape)), several(*map(number, stride))
    arguments = several(block or storage(), number(offset), *sizes, FALSE, DICT)
    return name("torch._utils._rebuild_tensor_v2") + arguments + REDUCE


def tree(**entries):
    """A pickled dictionary."""
    return PROTO + DICT + b"".join(text(key) + value + SET for key, value in entries.items()) + STOP


def write_zip(path, content, storages=None, compression=zipfile.ZIP_STORED):
    """A torch file of today's container."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x/data.pkl", content)
        for key, data in (storages or {"0": np.arange(4, dtype="<f4").tobytes()}).items():
            archive.writestr(f"x/data/{key}", data)
    return path


def write_legacy(path, content, keys=("0",), blocks=(BLOCK,)):
    """A torch file of the older container."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    path.write_bytes(head + content + pickle.dumps(list(keys), 2) + b"".join(blocks))
    return path


WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_every_kind_of_tensor_is_read_as_torch_wrote_it(golden, container):
    """Strides, offsets, parameters, nesting, bfloat16, empty and scalar tensors come back equal."""
    tensors = read_tensors(golden / f"{container}.pth")
    expected = torch_file_tensors()
    assert set(tensors) == set(expected)
    for key, array in expected.items():
        assert tensors[key].dtype == array.dtype, key
        np.testing.assert_array_equal(tensors[key], array, err_msg=key)


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_outlines_are_the_shapes_that_reading_gives(golden, container):
    """Both containers, every type and stride; numbers stay in the file."""
    read, outlined = read_tensors(golden / f"{container}.pth"), torch_outlines(golden / f"{container}.pth")
    assert {name: (one.shape, one.dtype) for name, one in outlined.items()} == {
        name: (one.shape, one.dtype) for name, one in read.items()
    }


def test_strides_are_kept_and_memory_is_not_copied(golden):
    """A channels-last tensor stays channels-last: it is a window on its storage."""
    tensor_read = read_tensors(golden / "zip.pth")["channels_last"]
    assert tensor_read.strides == (120, 4, 60, 12)
    assert not tensor_read.flags.writeable


@WRITERS
def test_a_hand_written_file_is_read(tmp_path, write):
    """The builders of these tests write what the reader accepts, so that refusals below are for their reason."""
    tensors = read_tensors(write(tmp_path / "a.pth", tree(w=tensor())))
    np.testing.assert_array_equal(tensors["w"], [[0, 1], [2, 3]])


@WRITERS
@pytest.mark.parametrize(
    ("payload", "culprit"),
    [
        (name("os.system") + several(text("false")) + REDUCE, "os.system"),
        (name("posix.system") + several(text("false")) + REDUCE, "posix.system"),
        (name("builtins.eval") + several(text("1")) + REDUCE, "builtins.eval"),
        (text("os") + text("system") + b"\x93", "os.system"),
        (b"(" + text("x") + b"ios\nsystem\n", "INST"),
        (b"(" + name("collections.OrderedDict") + b"o", "OBJ"),
        (name("collections.OrderedDict") + several() + b"\x81", "NEWOBJ"),
        (b"\x82\x01", "EXT1"),
        (name("torch._utils._rebuild_tensor_v3"), "torch._utils._rebuild_tensor_v3"),
        (name("torch.load"), "torch.load"),
        (name("collections.OrderedDict.fromkeys"), "collections.OrderedDict.fromkeys"),
        (storage(kind="torch.UntypedStorage"), "torch.UntypedStorage"),
        (storage(tag="module"), "persistent object"),
        (b"Pmodule\n", "PERSID"),
    ],
)
def test_anything_but_tensors_is_refused_and_named(tmp_path, write, payload, culprit):
    """Code, unknown globals and unknown instructions never run; the error names the file and the culprit."""
    path = write(tmp_path / "evil.pth", tree(w=payload))
    with pytest.raises(WeightsError, match="more than plain tensors") as caught:
        read_tensors(path)
    assert "evil.pth" in str(caught.value)
    assert culprit in str(caught.value)


def test_a_payload_by_pickle_itself_does_not_run(tmp_path):
    """The classical attack, an object whose reduction calls os.system, is refused in both containers."""
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    for protocol in range(6):
        content = pickle.dumps({"w": Evil()}, protocol)
        for write in (write_zip, write_legacy):
            with pytest.raises(WeightsError):
                read_tensors(write(tmp_path / "evil.pth", content))
    assert not marker.exists()


@WRITERS
@pytest.mark.parametrize(
    "value",
    [
        tensor(shape=(2**40, 2**40)),
        tensor(shape=(2**62,), stride=(0,)),
        tensor(shape=(1000,), stride=(0,)),
        tensor(shape=(5,), stride=(1,)),
        tensor(offset=1),
        tensor(offset=2**63),
        tensor(stride=(2, 3)),
        tensor(shape=(1, 1), stride=(2**63, 1)),
        tensor(shape=(-1, 4)),
        tensor(stride=(-2, 1)),
        tensor(shape=(2, 2), stride=(1,)),
        tensor(shape=(1,) * 40, stride=(1,) * 40),
        tensor(storage(count=2**40)),
        tensor(storage(kind="torch.DoubleStorage", count=4)),
        tensor(storage(key="7")),
        tensor(several(text("storage"))),
        name("torch.FloatStorage") + several() + REDUCE,
        several() + several() + REDUCE,
        b"h\x07",
        b"s",
        b"t",
        b"",
    ],
)
def test_claims_that_the_file_does_not_hold_are_refused(tmp_path, write, value):
    """Huge, negative, overlapping and missing things end as one error, without memory being asked for."""
    path = write(tmp_path / "a.pth", tree(w=value))
    tracemalloc.start()
    for read in (read_tensors, torch_outlines):
        with pytest.raises(WeightsError, match=r"a\.pth"):
            read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_dictionaries_that_unfold_without_end_are_refused(tmp_path):
    """A dictionary that holds the one before it twice, fifty times over, takes neither time nor memory."""
    layers = DICT + b"q\x00"
    for index in range(50):
        layers += DICT + text("a") + b"h" + bytes([index]) + SET + text("b") + b"h" + bytes([index]) + SET
        layers += b"q" + bytes([index + 1])
    started = time.monotonic()
    with pytest.raises(WeightsError, match="nested without end"):
        read_tensors(write_zip(tmp_path / "a.pth", PROTO + layers + STOP))
    assert time.monotonic() - started < 5


def test_a_key_that_is_no_name_is_refused(tmp_path):
    """A tuple of tuples as a key would take for ever to hash."""
    key = several()
    for _ in range(60):
        key += b"q\x00h\x00\x86"
    started = time.monotonic()
    with pytest.raises(WeightsError, match="no short name"):
        read_tensors(write_zip(tmp_path / "a.pth", PROTO + DICT + key + NONE + SET + STOP))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("field", ["compressed", "uncompressed", "both"])
def test_a_zip_that_lies_about_sizes_is_refused(tmp_path, field):
    """Sizes in the directory that exceed the file are refused before anything is allocated."""
    path = write_zip(tmp_path / "a.pth", tree(w=tensor()))
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    offsets = {"compressed": (20,), "uncompressed": (24,), "both": (20, 24)}[field]
    for offset in offsets:
        data[entry + offset : entry + offset + 4] = struct.pack("<I", 3 << 30)
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(WeightsError, match=r"a\.pth"):
        read_tensors(path)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_compressed_member_is_refused(tmp_path):
    """The library stores without compression, so compression can only be a bomb."""
    path = write_zip(tmp_path / "a.pth", tree(w=tensor()), {"0": bytes(1 << 22)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(WeightsError, match="compressed"):
        read_tensors(path)


def test_big_endian_numbers_are_refused(tmp_path):
    """A file of the other byte order would read as nonsense."""
    path = write_zip(tmp_path / "a.pth", tree(w=tensor()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x/byteorder", "big")
    with pytest.raises(WeightsError, match="little-endian"):
        read_tensors(path)


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_a_file_cut_anywhere_is_refused(golden, tmp_path, container):
    """Every truncation is a clear error, never a crash and never half the tensors."""
    whole = (golden / f"{container}.pth").read_bytes()
    path = tmp_path / "cut.pth"
    for length in range(0, len(whole) - 1, 41):
        path.write_bytes(whole[:length])
        for read in (read_tensors, torch_outlines):
            with pytest.raises(WeightsError, match=r"cut\.pth"):
                read(path)


@pytest.mark.parametrize("container", ["zip", "legacy"])
def test_a_flipped_byte_never_crashes(golden, tmp_path, container):
    """Damage anywhere either does not matter or is a clear error."""
    whole = bytearray((golden / f"{container}.pth").read_bytes())
    path = tmp_path / "flipped.pth"
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            tensors = read_tensors(path)
        except WeightsError:
            continue
        assert all(isinstance(array, np.ndarray) for array in tensors.values())


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\x03\x04", b"\x80", b"\x80\x02.", b"<html>not found</html>", bytes(999)]
)
def test_garbage_is_refused(tmp_path, content):
    """An empty file, an error page or zeros are no weights."""
    path = tmp_path / "garbage.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"garbage\.pth"):
        read_tensors(path)


def test_a_string_of_any_claimed_length_is_refused(tmp_path):
    """An instruction that claims a string of four gigabytes gets what is in the file, and no buffer of that size."""
    content = PROTO + b"X" + struct.pack("<I", 0xFFFFFFF0) + b"short"
    for write in (write_zip, write_legacy):
        tracemalloc.start()
        with pytest.raises(WeightsError):
            read_tensors(write(tmp_path / "a.pth", content))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    """A missing file is its own error, and a directory is a damaged one."""
    with pytest.raises(WeightsNotFoundError, match="no such weight file"):
        read_tensors(tmp_path / "none.pth")
    with pytest.raises(WeightsError):
        read_tensors(tmp_path)


def test_torch_agrees_on_what_the_golden_files_hold(golden):
    """The library itself reads the same tensors, with the same strides."""
    torch = pytest.importorskip("torch", reason="torch is for parity only")
    for container in ("zip", "legacy"):
        theirs = torch.load(golden / f"{container}.pth", weights_only=True)
        ours = read_tensors(golden / f"{container}.pth")
        for key, value in theirs.items():
            if isinstance(value, torch.Tensor):
                detached = value.detach()
                assert ours[key].shape == tuple(detached.shape)
                np.testing.assert_array_equal(ours[key], detached.to(torch.float64).numpy())


def test_the_reader_needs_no_file_on_disk_beyond_the_one_it_reads(tmp_path, golden):
    """Nothing is extracted beside the file."""
    path = tmp_path / "a.pth"
    path.write_bytes((golden / "zip.pth").read_bytes())
    read_tensors(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pth"]
