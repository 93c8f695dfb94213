"""Tensors from a file written by `torch.save`, without torch and without running anything in it.

Both containers are read: the zip of torch 1.6 and later (members `<name>/data.pkl`, `<name>/data/<key>`), and the
older stream of pickles followed by raw storages. Every size is checked against the file's own length before a
byte of it is allocated, and tensors are windows on their storage, so that a small file cannot ask for much memory.
"""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import CuratorError, WeightsError
from nemo_curator.models.legible import legible, mistaken
from nemo_curator.models.torch_pickle import PickleRefusedError, StorageRecord, TensorRecord, read_pickle
from nemo_curator.models.weights import widened

Array = npt.NDArray[Any]

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # the constant that opens torch's older format
_LEGACY_PROTOCOL = 1001
_MAX_PICKLE = 64 << 20  # a state dict's pickle takes about 100 bytes a tensor
_MAX_NODES = 100_000  # shared dictionaries could otherwise unfold without end
_MAX_DEPTH = 16
_LONGEST_LINE = 4096
_DAMAGE = (ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, OverflowError, struct.error)


def read_tensors(path: str | os.PathLike[str], prefixes: tuple[str, ...] = ("",)) -> dict[str, Array]:
    """The tensors of a `.pth`, `.pt` or `.bin` file, by name.

    Nested dictionaries and lists are flattened, their keys joined with dots; values that are not tensors (an epoch
    number) are left out. bfloat16 becomes float32, exactly.

    Args:
        path: A file written by `torch.save`, in either container.
        prefixes: Only tensors whose names start with one of these are given, and of a zip only these are read.

    Returns:
        Name to read-only array in the tensor's own shape, strides and type; several may share memory.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: The file cannot be read, is damaged, claims more than it holds, or its pickle names anything but
            plain tensors.
    """
    with _opened(Path(path)) as source:
        wanted = [(name, record) for name, record in _flatten(source.tree()) if name.startswith(prefixes)]
        return {name: _window(record, source) for name, record in wanted}


def torch_outlines(path: str | os.PathLike[str], prefixes: tuple[str, ...] = ("",)) -> dict[str, Array]:
    """The same without the numbers, which are not read: arrays of zeros that take no memory, in each tensor's type.

    Raises:
        WeightsNotFoundError: There is no such file.
        WeightsError: As `read_tensors`.
    """
    with _opened(Path(path), skim=True) as source:
        wanted = [(name, record) for name, record in _flatten(source.tree()) if name.startswith(prefixes)]
        return {name: _outline(record, source) for name, record in wanted}


@contextmanager
def _opened(path: Path, *, skim: bool = False) -> Iterator[_Source]:
    """A torch file, whatever goes wrong with it being one of our errors."""
    try:
        with legible(path):
            stream = path.open("rb")
        with stream:
            yield _open(stream, path, skim=skim)
    except CuratorError:
        raise
    except PickleRefusedError as error:
        raise WeightsError(
            f"the weight file holds more than plain tensors: {error}",
            where=str(path),
            act="use only weights from a source that you trust, saved as a state dict",
        ) from None
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError) as error:
        what, act = mistaken(path) or (str(error), "")
        raise WeightsError(
            f"the weight file is damaged: {what}", where=str(path), act=act or "fetch it again"
        ) from error


class _Source(Protocol):
    def tree(self) -> Any: ...

    def held(self, record: StorageRecord) -> int: ...

    def storage(self, record: StorageRecord) -> Array: ...


def _open(stream: IO[bytes], path: Path, *, skim: bool) -> _Source:
    head = stream.read(4)
    stream.seek(0)
    if head == b"PK\x03\x04":
        return _Zip(stream, path.stat().st_size)
    if head[:1] == b"\x80":
        return _Legacy(stream, path.stat().st_size, skim=skim)
    raise ValueError("it is not in a format of torch")


class _Zip:
    """The zip container: one stored member for the pickle, one for each storage."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._zip = zipfile.ZipFile(stream)
        self._size = size
        self._budget = size
        self._storages: dict[str, Array] = {}
        pickles = [name for name in self._zip.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} members are called data.pkl, not one")
        self._prefix = pickles[0].removesuffix("data.pkl")

    def tree(self) -> Any:
        if f"{self._prefix}byteorder" in self._zip.namelist() and self._read("byteorder", 16) != b"little":
            raise ValueError("its numbers are not little-endian")
        return read_pickle(io.BytesIO(self._read("data.pkl", _MAX_PICKLE)))

    def held(self, record: StorageRecord) -> int:
        return self._member(f"data/{record.key}", self._size).file_size

    def storage(self, record: StorageRecord) -> Array:
        if record.key not in self._storages:
            data = self._read(f"data/{record.key}", self._size)
            self._storages[record.key] = np.frombuffer(data, np.uint8)
        return self._storages[record.key]

    def _read(self, name: str, limit: int) -> bytes:
        entry = self._member(name, limit)
        # the budget is spent once for the whole file: overlapping members cannot multiply it
        self._budget -= entry.file_size
        if self._budget < 0:
            raise ValueError(f"the member {name} claims {entry.file_size} bytes, more than there are")
        return self._zip.read(entry)

    def _member(self, name: str, limit: int) -> zipfile.ZipInfo:
        entry = self._zip.getinfo(self._prefix + name)
        # torch stores without compression, so an honest member is never longer than the file around it
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"the member {name} is compressed, which torch never does")
        if entry.file_size > limit:
            raise ValueError(f"the member {name} claims {entry.file_size} bytes, more than there are")
        return entry


class _Bounded:
    """A stream that never tries to read past its end: an instruction may claim a string of any length."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._size = size
        self.tell = stream.tell

    def read(self, length: int) -> bytes:
        return self._stream.read(min(length, self._size - self.tell()))

    def skip(self, length: int) -> None:
        self._stream.seek(length, os.SEEK_CUR)

    def readline(self) -> bytes:
        return self._stream.readline(_LONGEST_LINE)


class _Legacy:
    """The stream container: magic, protocol, system facts, tree, list of keys, then one raw storage for each key."""

    def __init__(self, stream: IO[bytes], size: int, *, skim: bool) -> None:
        self._stream = _Bounded(stream, size)
        self._size = size
        self._skim = skim
        self._storages: dict[str, Array] = {}
        self._lengths: dict[str, int] = {}

    def tree(self) -> Any:
        if read_pickle(self._stream) != _LEGACY_MAGIC or read_pickle(self._stream) != _LEGACY_PROTOCOL:
            raise ValueError("it is not in a format of torch")
        system = read_pickle(self._stream)
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ValueError("its numbers are not little-endian")
        tree = read_pickle(self._stream)
        keys = read_pickle(self._stream)
        widths = {record.storage.key: _width(record.storage) for _, record in _flatten(tree)}
        for key in keys:
            if type(key) is not str:
                raise TypeError("a storage's key is no string")
            (count,) = struct.unpack("<q", self._stream.read(8))
            length = count * widths.get(key, 1)
            if not 0 <= length <= self._size - self._stream.tell():
                raise ValueError(f"the storage {key} claims {count} elements, more than there are")
            self._lengths[key] = length
            if self._skim:
                self._stream.skip(length)
            else:
                self._storages[key] = np.frombuffer(self._stream.read(length), np.uint8)
        return tree

    def held(self, record: StorageRecord) -> int:
        return self._lengths[record.key]

    def storage(self, record: StorageRecord) -> Array:
        return self._storages[record.key]


def _flatten(tree: Any) -> list[tuple[str, TensorRecord]]:
    if not isinstance(tree, dict):
        raise TypeError("it holds no dictionary of tensors")
    found: dict[str, TensorRecord] = {}
    nodes = 0
    pending: list[tuple[str, Any, int]] = [("", tree, 0)]
    while pending:
        prefix, node, depth = pending.pop()
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            nodes += 1
            if nodes > _MAX_NODES or depth > _MAX_DEPTH:
                raise ValueError("its dictionaries are nested without end")
            name = f"{prefix}{key}"
            if isinstance(value, TensorRecord):
                found[name] = value
            elif isinstance(value, dict | list | tuple):
                pending.append((f"{name}.", value, depth + 1))
    return list(found.items())


def _width(record: StorageRecord) -> int:
    return 2 if record.dtype == "bfloat16" else np.dtype(record.dtype).itemsize


def _elements(record: TensorRecord, source: _Source) -> tuple[int, int]:
    """How many elements a tensor has, and its storage; every one of them is proven to lie inside it."""
    held = source.held(record.storage) // _width(record.storage)
    if record.storage.count > held:
        raise ValueError(f"the storage {record.storage.key} claims {record.storage.count} elements and holds {held}")
    if len(record.shape) != len(record.stride) or len(record.shape) > 32:
        raise ValueError("a tensor's shape and strides do not fit together")
    # bounded in Python's integers, before NumPy sees a number
    elements, last = 1, record.offset
    for length, step in zip(record.shape, record.stride, strict=True):
        elements *= length
        last += (length - 1) * step
    if elements > held or (elements and last >= held) or max((*record.stride, 0)) > sys.maxsize // 16:
        raise ValueError(f"a tensor of shape {list(record.shape)} does not fit into its storage of {held} elements")
    return elements, held


def _outline(record: TensorRecord, source: _Source) -> Array:
    """A tensor of that shape, all zero, of which no element takes memory."""
    _elements(record, source)
    zero = np.zeros((), np.float32 if record.storage.dtype == "bfloat16" else record.storage.dtype)
    return np.broadcast_to(zero, record.shape)


def _window(record: TensorRecord, source: _Source) -> Array:
    """The tensor as a view of its storage."""
    elements, held = _elements(record, source)
    dtype = np.dtype("<u2" if record.storage.dtype == "bfloat16" else record.storage.dtype)
    raw = source.storage(record.storage)
    if not elements:
        return np.zeros(record.shape, np.float32 if record.storage.dtype == "bfloat16" else dtype)
    base = raw[: held * dtype.itemsize].view(dtype)[record.offset :]
    strides = tuple(step * dtype.itemsize for step in record.stride)
    window = np.lib.stride_tricks.as_strided(base, record.shape, strides, writeable=False)
    if record.storage.dtype == "bfloat16":
        return widened(window)
    return window
