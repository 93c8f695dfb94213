"""A worker process: `python -m nemo_curator.backends.local.worker SOCKET POSITION LIFELINE` (file descriptors).

The main thread reads messages and drives the chain. One daemon thread waits on the lifeline, a pipe whose other end
the supervisor holds open, and ends the process when the supervisor is gone, so that no worker outlives its run.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection

import cloudpickle

from nemo_curator.backends.chain import StageChain
from nemo_curator.backends.local.messages import Done, Failed, Progress, Ready, Start, Stop, Work
from nemo_curator.backends.local.position import Position
from nemo_curator.errors import CuratorError, StageError
from nemo_curator.stages.worker import NodeInfo, WorkerMetadata


def main(socket_fd: int, position_fd: int, lifeline_fd: int) -> None:
    """Serve one supervisor until it says stop, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's to answer
    threading.Thread(target=_die_with_supervisor, args=(lifeline_fd,), daemon=True).start()
    channel = Connection(socket_fd)
    position = Position(position_fd)
    start: Start = channel.recv()
    sys.path[:] = start.sys_path
    index: int | None = None

    def progress(records: int) -> None:
        channel.send(Progress(-1 if index is None else index, records))

    try:
        metadata = WorkerMetadata(worker_id=start.worker_id, watch=position.enter)
        chain = StageChain(pickle.loads(start.stages), metadata, NodeInfo("local"), progress)  # noqa: S301 (our parent's)
        chain.setup(on_node=start.on_node)
        channel.send(Ready())
        while isinstance(message := channel.recv(), Work):
            index = message.index
            chain.records = []
            tasks = list(chain.run(pickle.loads(message.task)))  # noqa: S301 (our parent's)
            channel.send(Done(index, cloudpickle.dumps(tasks), chain.records))
            index = None
        if isinstance(message, Stop):
            chain.teardown()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:  # noqa: BLE001 (whatever ends a worker is told to the supervisor, which decides)
        channel.send(Failed(index, _portable(error)))


def _portable(error: Exception) -> Exception:
    """An error that survives the way to the supervisor with its traceback as a note."""
    if not isinstance(error, CuratorError):
        where = "".join(traceback.format_exception(error)).rstrip()
        error = StageError(f"{type(error).__name__}: {error}", act="the traceback below tells where")
        error.add_note(where)
    return error


def _die_with_supervisor(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)  # returns when the last writer is gone
    os._exit(1)


if __name__ == "__main__":
    main(*(int(descriptor) for descriptor in sys.argv[1:4]))
