"""A worker process: `python -m nemo_curator.backends.local.worker LIFELINE SOCKET POSITION DESK [MODULE]…`.

The first four are file descriptors. The main thread reads messages and drives the chain; a daemon thread waits on the
lifeline (see `start_up`). By the desk it reaches the inference process, where there is one. The modules are imported
before anything is read: a worker that was started ahead does so while nobody waits for it.
"""

from __future__ import annotations

import contextlib
import gc
import pickle
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle
from PIL import Image

from nemo_curator import storage
from nemo_curator.backends.chain import StageChain
from nemo_curator.backends.local.messages import (
    Ask,
    Done,
    Failed,
    GiveBack,
    Go,
    Granted,
    NodeReady,
    Progress,
    Ready,
    Start,
    Stop,
    Through,
    Work,
)
from nemo_curator.backends.local.position import Position
from nemo_curator.backends.local.start_up import keep_from_children, start_up
from nemo_curator.backends.resumption import Resumption
from nemo_curator.codecs import memory_guard, memory_share
from nemo_curator.codecs.memory import keep_freed_memory
from nemo_curator.errors import CuratorError, StageError
from nemo_curator.shards.ahead import ReadAhead
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata
from nemo_curator.tasks import Task


def main(lifeline_fd: int, socket_fd: int, position_fd: int, desk_fd: int, modules: Sequence[str] = ()) -> None:
    """Serve one supervisor until it says stop, or is gone."""
    start_up(lifeline_fd)
    keep_freed_memory()
    memory_guard.arm()
    Image.MAX_IMAGE_PIXELS = None  # our own limits come first, and a recipe may raise them
    channel = Connection(socket_fd)
    position = Position(position_fd)
    keep_from_children(lifeline_fd, socket_fd, position_fd, desk_fd)
    for module in modules:
        with contextlib.suppress(Exception):  # whoever needs it will say what is wrong with it
            import_module(module)
    gc.freeze()  # modules stay: no look for garbage need go through them again, the last one neither
    _Server(channel, position).serve()


class _Server:
    """One worker's side of the conversation."""

    def __init__(self, channel: Connection, position: Position) -> None:
        self._channel = channel
        self._position = position
        self._index: int | None = None
        self._ahead = ReadAhead(0)

    def serve(self) -> None:
        """Answer messages until told to stop; whatever ends this worker is told to the supervisor, which decides."""
        try:
            self._converse()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the supervisor is gone
        except Exception as error:  # noqa: BLE001 (see above)
            self._channel.send(Failed(self._index, _packed(error)))

    def _converse(self) -> None:
        start = self._channel.recv()
        sys.path[:] = start.sys_path
        storage.use(start.storage)
        chain = self._chain(start)
        if start.on_node:
            chain.setup_on_node()
            self._channel.send(NodeReady())
        if not isinstance(self._channel.recv(), Go):
            return
        chain.setup()
        self._channel.send(Ready())
        while isinstance(message := self._channel.recv(), Work):
            self._work(chain, message)
        if isinstance(message, Stop):
            chain.teardown()

    def _chain(self, start: Start) -> StageChain:
        self._ahead = ReadAhead(start.memory.ahead)
        metadata = WorkerMetadata(
            worker_id=start.worker_id,
            watch=self._position.enter,
            inference=start.inference,
            waiting=self._position.waiting,
            batch_bytes=start.memory.batch,
            ahead=self._ahead,
        )
        memory_share.here.settle(start.memory.own, start.memory.needs.image, self._ask, self._give_back)
        return StageChain(pickle.loads(start.stages), metadata, NodeInfo("local"), self._progress)  # noqa: S301 (our parent's)

    def _work(self, chain: StageChain, work: Work) -> None:
        self._index = work.index
        self._ahead.expect(work.following)
        memory_share.here.careful = work.died
        chain.records, chain.careful = [], work.careful
        results: list[Task[Any]] = []

        def through(records: int, saved: tuple[Any, ...]) -> None:
            packed = cloudpickle.dumps((results, chain.records))
            self._channel.send(Through(work.index, records, packed, cloudpickle.dumps(saved), chain.took()))
            results.clear()
            chain.records, chain.careful = [], False  # what killed the last worker was in this batch

        chain.on_batch = through
        saved = (pickle.loads(one) for one in work.saved)  # noqa: S301 (another worker's of our parent)
        start = Resumption(work.records, work.batches, saved)
        for result in chain.run(pickle.loads(work.task), start):  # noqa: S301 (our parent's)
            results.append(result)  # noqa: PERF402 (a batch that is through takes its results with it meanwhile)
        self._channel.send(Done(work.index, cloudpickle.dumps((results, chain.records)), chain.took()))
        self._index = None

    def _ask(self, size: int) -> None:
        """Wait for room for a large image; nothing else is said to a worker that is at work."""
        with self._position.waiting():
            self._channel.send(Ask(size))
            answer = self._channel.recv()
        assert isinstance(answer, Granted)  # noqa: S101 (the supervisor says nothing else to a worker that asks)

    def _give_back(self) -> None:
        self._channel.send(GiveBack())

    def _progress(self, records: int) -> None:
        self._channel.send(Progress(-1 if self._index is None else self._index, records))


def _packed(error: Exception) -> bytes:
    """An error that survives the way to the supervisor, with its traceback as a note."""
    where = "".join(traceback.format_exception(error)).rstrip()
    if isinstance(error, CuratorError):
        try:
            return bytes(cloudpickle.dumps(error))
        except Exception:  # noqa: BLE001, S110 (a field that does not pickle: told in words below)
            pass
    told = StageError(f"{type(error).__name__}: {error}", act="the traceback below tells where")
    told.add_note(where)
    return bytes(cloudpickle.dumps(told))


if __name__ == "__main__":
    lifeline, channel, page, desk, *imported = sys.argv[1:]
    main(int(lifeline), int(channel), int(page), int(desk), imported)
