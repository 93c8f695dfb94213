"""What a worker and the inference process say to each other, over one socket a worker.

    worker               open       run      run          …
    inference process         ready    rows     rows
                              or failed, with the exception

A request for a model, and an exception, are pickled, once each: both ends are processes of one run, on descriptors that
they inherited, so nobody else can be there. Of a batch nothing is pickled: pictures or texts lie in shared memory,
whose descriptor goes along when it is new, and the rows come back as they are.
"""

from __future__ import annotations

import pickle
import socket
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.request import ModelRequest

_OPEN = struct.Struct("<I")  # bytes of the request
_RUN = struct.Struct("<IIII")  # items, height, width (0 of texts), bytes
_TEXT = struct.Struct("<I")  # bytes of a text, before it
_REPLY = struct.Struct("<BIIQ")  # whether it failed, rows, columns (0: rows are numbers), bytes that follow
_LONGEST = 1 << 20  # bytes of a request or an exception
_MOST_DETAIL = 10_000  # characters of an exception that is told in words


@dataclass(frozen=True, slots=True)
class Run:
    """A batch that is to be run.

    Attributes:
        count: Pictures, or texts.
        height: Of each picture, in pixels; 0 for texts.
        width: Of each picture, in pixels; 0 for texts.
        size: Bytes that they take.
        memory: Descriptor of the memory where they lie from now on, which whoever reads this owns; None: as before.
    """

    count: int
    height: int
    width: int
    size: int
    memory: int | None = None

    def given(self, memory: memoryview) -> npt.NDArray[np.uint8] | list[str]:
        """The pictures `(N, H, W, 3)` where they lie, or the texts.

        Raises:
            ModelError: They do not lie there.
        """
        if self.size > len(memory):
            raise ModelError(f"a worker handed over less than the {self.size:,} bytes that it speaks of")
        if not self.height:
            return unpacked_texts(memory[: self.size], self.count)
        if self.count * self.height * self.width * 3 != self.size:
            raise ModelError(
                f"{self.count:,} pictures of {self.width} by {self.height} do not take {self.size:,} bytes"
            )
        return np.frombuffer(memory[: self.size], np.uint8).reshape(self.count, self.height, self.width, 3)


def send_open(connection: socket.socket, request: ModelRequest) -> None:
    """Ask for a model."""
    packed = pickle.dumps(request)
    connection.sendall(_OPEN.pack(len(packed)) + packed)


def receive_open(connection: socket.socket) -> ModelRequest:
    """What is asked for.

    Raises:
        EOFError: The other end is gone.
    """
    (length,) = _OPEN.unpack(_received(connection, _OPEN.size))
    request: ModelRequest = pickle.loads(_received(connection, min(length, _LONGEST)))  # noqa: S301 (see the module)
    return request


def send_run(connection: socket.socket, run: Run) -> None:
    """Ask for the rows of a batch."""
    header = _RUN.pack(run.count, run.height, run.width, run.size)
    if run.memory is None:
        connection.sendall(header)
    else:  # so short a message is taken as a whole or not at all
        socket.send_fds(connection, [header], [run.memory])


def receive_run(connection: socket.socket) -> Run:
    """The next batch.

    Raises:
        EOFError: The other end is gone.
    """
    header, descriptors, _, _ = socket.recv_fds(connection, _RUN.size, 1)
    if not header:
        raise EOFError
    header += _received(connection, _RUN.size - len(header))
    count, height, width, size = _RUN.unpack(header)
    return Run(count, height, width, size, descriptors[0] if descriptors else None)


def packed_text(text: str) -> bytes:
    """A text, whatever a str can hold, with its length before it."""
    raw = text.encode("utf-8", "surrogatepass")
    return _TEXT.pack(len(raw)) + raw


def unpacked_texts(raw: memoryview, count: int) -> list[str]:
    """So many texts that were packed one behind the other.

    Raises:
        ModelError: There are not so many.
    """
    texts: list[str] = []
    start = 0
    while start + _TEXT.size <= len(raw) and len(texts) < count:
        (length,) = _TEXT.unpack(raw[start : start + _TEXT.size])
        start += _TEXT.size + length
        texts.append(bytes(raw[start - length : start]).decode("utf-8", "surrogatepass"))
    if start != len(raw) or len(texts) != count:
        raise ModelError(f"a worker speaks of {count:,} texts, and handed over others")
    return texts


def send_ready(connection: socket.socket) -> None:
    """The model is loaded."""
    connection.sendall(_REPLY.pack(False, 0, 0, 0))


def send_rows(connection: socket.socket, rows: npt.NDArray[np.float32]) -> None:
    """The rows of a batch: float32 `(N, D)` or `(N,)`."""
    rows = np.ascontiguousarray(rows, np.float32)
    columns = rows.shape[1] if rows.ndim > 1 else 0
    connection.sendall(_REPLY.pack(False, len(rows), columns, rows.nbytes) + rows.tobytes())


def send_failure(connection: socket.socket, error: Exception) -> None:
    """What was asked for cannot be had."""
    packed = _packed(error)
    connection.sendall(_REPLY.pack(True, 0, 0, len(packed)) + packed)


def receive_reply(connection: socket.socket) -> npt.NDArray[np.float32]:
    """The rows that were asked for; of `ready`, none.

    Raises:
        EOFError: The other end is gone.
        Exception: What was raised there.
    """
    failed, count, columns, length = _REPLY.unpack(_received(connection, _REPLY.size))
    raw = _received(connection, length)
    if failed:
        error: Exception = pickle.loads(raw)  # noqa: S301 (see the module)
        raise error
    rows = np.frombuffer(raw, np.float32)
    return rows.reshape(count, columns) if columns else rows


def _received(connection: socket.socket, length: int) -> bytearray:
    raw = bytearray(length)
    view = memoryview(raw)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return raw


def _packed(error: Exception) -> bytes:
    """An exception such that it arrives: as it is where it pickles, otherwise in words."""
    try:
        packed = pickle.dumps(error)
        if len(packed) <= _LONGEST and type(pickle.loads(packed)) is type(error):  # noqa: S301 (just made here)
            return packed
    except Exception:  # noqa: BLE001, S110 (whatever its fields raise; told in words below)
        pass
    return pickle.dumps(ModelError(f"{type(error).__name__}: {error}"[:_MOST_DETAIL]))
