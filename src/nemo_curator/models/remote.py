"""A model that another process of this host holds: the inference process, which has the only copy of its weights.

Owner: the worker's main thread, which waits while the inference process computes.
"""

from __future__ import annotations

import mmap
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from nemo_curator.errors import ModelError
from nemo_curator.models.remote_memory import MOST_BYTES, HandedMemory
from nemo_curator.models.remote_wire import Run, packed_text, receive_reply, send_open, send_run
from nemo_curator.models.request import ModelRequest

_TRIES = 5  # inference processes that may die, one after the other, of one batch
_GONE = (EOFError, ConnectionError)  # what is raised when the other end of a socket dies

T = TypeVar("T")
Rows = npt.NDArray[np.float32]
Pictures = Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8]


def address_of(descriptor: int) -> str:
    """The address of an inference process, for processes that inherited this descriptor."""
    return f"fd:{descriptor}"


class _Remote:
    """What stands for a model in a worker, be it of pictures or of texts."""

    def __init__(
        self,
        request: ModelRequest,
        address: str,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._request = request
        self._address = address
        self._waiting = waiting
        self._connection: socket.socket | None = None
        self._memory: HandedMemory | None = None
        self._handed_over = False

    def setup(self) -> None:
        """Let the inference process load the model; where it has done so, nothing happens.

        Raises:
            ModelError: It cannot be loaded there, or the process died again and again.
        """
        with self._waiting():
            self._again_and_again(self._connected)

    def close(self) -> None:
        """Let go of the connection and the memory; the next call takes new ones."""
        self._drop()
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _rows(self, run: Run, fill: Callable[[HandedMemory], None]) -> Rows:
        """The rows of a batch, once it is in memory."""
        memory = self._room(run.size)
        fill(memory)

        def ask() -> Rows:
            connection = self._connected()
            try:
                send_run(connection, run if self._handed_over else replace(run, memory=memory.descriptor))
                self._handed_over = True
                return receive_reply(connection)
            except BaseException:
                self._drop()  # an answer that nobody took would be taken for the next one's
                raise

        with self._waiting():
            return self._again_and_again(ask)

    def _room(self, size: int) -> HandedMemory:
        """Memory of so many bytes at least."""
        if self._memory is None or self._memory.size < size:
            if self._memory is not None:
                self._memory.close()
                self._memory = None
            self._memory = HandedMemory(max(size, mmap.PAGESIZE))
            self._handed_over = False
        return self._memory

    def _again_and_again(self, ask: Callable[[], T]) -> T:
        """Ask one inference process after the other, until one answers."""
        for _ in range(_TRIES):
            try:
                return ask()
            except _GONE:
                self._drop()  # its supervisor starts another one, which finds the next call waiting
        raise ModelError(
            f"the process that runs the models died {_TRIES} times over one batch",
            cause="memory ran out, or a native library crashed",
            act="free memory or use fewer workers, and run the same command again: it goes on where it stopped",
        )

    def _connected(self) -> socket.socket:
        """The connection to a process that has loaded the model."""
        if self._connection is None:
            connection = _called(self._address)
            try:
                send_open(connection, self._request)
                receive_reply(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._handed_over = connection, False
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a connection to the inference process does not pickle; make it in setup()")


class RemoteModel(_Remote):
    """Stands for a model of pictures in a worker, and is called like it.

    It does not notice the death of the inference process but by the time it takes: a batch that was not answered
    is sent again to the next one, which is harmless, because rows depend on their pictures alone.

    Args:
        request: Which model.
        address: Where the inference process is reached (`WorkerMetadata.inference`).
        waiting: Makes a context in which this process only waits, for whoever watches over it.
    """

    def __call__(self, pictures: Pictures, /) -> Rows:
        """Run the model.

        Args:
            pictures: uint8 RGB `(N, H, W, 3)`, or N of `(H, W, 3)`.

        Returns:
            float32 `(N, D)` or `(N,)`, as the model gives it.

        Raises:
            ValueError: The pictures are of another type, or of several shapes.
            ModelError: The inference process died again and again.
            Exception: What the model raised there.
        """
        height, width = _common_shape(pictures)
        each = max(1, MOST_BYTES // (height * width * 3))
        pieces = [pictures[start : start + each] for start in range(0, max(1, len(pictures)), each)]
        rows = [
            self._rows(
                Run(len(piece), height, width, len(piece) * height * width * 3),
                partial(HandedMemory.fill, pictures=piece),
            )
            for piece in pieces
        ]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)


class RemoteTextModel(_Remote):
    """Stands for a model of texts in a worker, and is called like it; all else is as for `RemoteModel`.

    Args:
        request: Which model.
        address: Where the inference process is reached.
        waiting: As for `RemoteModel`.
    """

    def __call__(self, texts: Sequence[str], /) -> Rows:
        """Run the model.

        Args:
            texts: Any texts.

        Returns:
            float32 `(N, D)`.

        Raises:
            ModelError: The inference process died again and again.
            Exception: What the model raised there.
        """
        rows = [
            self._rows(Run(len(piece), 0, 0, len(raw)), partial(HandedMemory.write, raw=raw))
            for piece in _pieces([packed_text(text) for text in texts])
            for raw in [b"".join(piece)]
        ]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)


def _called(address: str) -> socket.socket:
    """A new socket, whose other end is handed to whichever inference process reads there next."""
    kind, _, number = address.partition(":")
    if kind != "fd" or not number.isdecimal():
        raise ModelError(f"{address!r} is no address of an inference process")
    ours, theirs = socket.socketpair()
    try:
        with theirs, socket.socket(fileno=os.dup(int(number))) as desk:
            socket.send_fds(desk, [b"."], [theirs.fileno()])
    except BaseException:
        ours.close()
        raise
    return ours


def _common_shape(pictures: Pictures) -> tuple[int, int]:
    """(height, width) of all pictures.

    Raises:
        ValueError: They are of another type, or of several shapes.
    """
    if isinstance(pictures, np.ndarray):
        dtypes, shapes = {pictures.dtype}, {pictures.shape[1:]}
    else:
        dtypes, shapes = {picture.dtype for picture in pictures}, {picture.shape for picture in pictures}
    (shape, *others) = shapes or {(0,)}
    if dtypes != {np.dtype(np.uint8)} or others or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        told = ", ".join(sorted(f"{dtype}" for dtype in dtypes)), ", ".join(sorted(f"{one}" for one in shapes))
        raise ValueError(f"expected pictures of uint8 (H, W, 3), all of one shape, got {told[0]} {told[1]}")
    return int(shape[0]), int(shape[1])


def _pieces(packed: Sequence[bytes]) -> list[list[bytes]]:
    """Texts in groups that are handed over at once."""
    pieces: list[list[bytes]] = [[]]
    size = 0
    for one in packed:
        if pieces[-1] and size + len(one) > MOST_BYTES:
            pieces.append([])
            size = 0
        pieces[-1].append(one)
        size += len(one)
    return pieces
