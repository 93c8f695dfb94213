"""Several processes that render, and the threads that ask them.

A thread of the pool owns one child, asks it and waits; the thread that submits owns everything else. Which child makes
which image shows in no result. What is made and not asked for yet is bounded in bytes, see `ResultRoom`.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from nemo_curator.codecs.rendering import Rendered
from nemo_curator.codecs.rendition import Rendition
from nemo_curator.cores import usable_cores
from nemo_curator.errors import StageError
from nemo_curator.machine_memory import usable_memory
from nemo_curator.runs.rendering.process import AskedProcess, DiedError, NotStartedError
from nemo_curator.runs.rendering.results import ResultRoom
from nemo_curator.runs.rendering.worker import ANSWER, as_text

_ITSELF = 150_000_000  # bytes of a child without an image
_COMMAND = 300_000_000  # of the process that asks, with the samples that wait
_SHARE = 0.8  # of the machine's memory, where nobody says how much there is; as for scoring
_RESULTS = 1 << 26  # bytes of images that are made and wait in that process
_TRIES = 2  # because a child may die of what is none of the image's fault, such as memory that others took


@dataclass(frozen=True, slots=True)
class Unrendered:
    """An image of which nothing could be made.

    Attributes:
        reason: Why, in a sentence.
    """

    reason: str


class Rendering:
    """An image that is being made.

    Args:
        future: What becomes of it.
        number: Which one it is.
        room: Where it waits when it is made.
    """

    def __init__(self, future: Future[Rendered | Unrendered], number: int, room: ResultRoom) -> None:
        self._future, self._number, self._room = future, number, room

    def done(self) -> bool:
        """Whether it is there."""
        return self._future.done()

    def result(self) -> Rendered | Unrendered:
        """Wait for it; to be asked once, best in the order in which they were submitted.

        Raises:
            StageError: No child can be started.
        """
        self._room.want(self._number)
        found = self._future.result()
        if isinstance(found, Rendered):
            self._room.leave(len(found.data))
        return found


def render_workers(rendition: Rendition, workers: int | None = None, memory: int | None = None) -> int:
    """How many processes render: as many as are asked for, else one a core, but no more than memory has room for.

    There is always one. What scoring needs at least has room for it, so that a run which may begin may also export.

    Args:
        rendition: What they make.
        workers: What is asked for; None for one a core.
        memory: Bytes that all processes may take together; four fifths of the machine's by default.
    """
    budget = int(_SHARE * usable_memory()) if memory is None else memory
    room = (budget - _COMMAND) // (_ITSELF + rendition.limits.memory + rendition.limits.bytes)
    return max(1, min(workers or usable_cores(), room))


class RenderPool:
    """A context manager; children start when there is work for them.

    Args:
        rendition: What images become.
        workers: How many children at most.
    """

    def __init__(self, rendition: Rendition, workers: int) -> None:
        self.workers = workers
        self._given = as_text(rendition)
        self._threads = ThreadPoolExecutor(workers)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._children: list[AskedProcess] = []
        self._closed = False
        self._room = ResultRoom(_RESULTS)
        self._submitted = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            self._room.close()
            for child in self._children:
                child.kill()
        self._threads.shutdown(cancel_futures=True)
        for child in self._children:
            child.close()

    def submit(self, data: bytes, seconds: float) -> Rendering:
        """Have an image made.

        Args:
            data: The whole file.
            seconds: Processor time that it may take; see `Rendition.seconds`.

        Returns:
            What becomes of it; it never fails but with what is no fault of the image, such as a `StageError` where no
            child can be started.
        """
        number = self._submitted
        self._submitted += 1
        return Rendering(self._threads.submit(self._render, data, seconds, number), number, self._room)

    def _render(self, data: bytes, seconds: float, number: int) -> Rendered | Unrendered:
        for _ in range(_TRIES):
            taken: list[int] = []

            def room(size: int, taken: list[int] = taken) -> bool:
                there = self._room.enter(number, size)
                taken.extend([size] if there else [])
                return there

            try:
                (good, name, width, height, _length), body = self._child().ask(data, seconds, room)
            except DiedError:
                self._room.leave(sum(taken))
                self._own.child = None
                continue
            except NotStartedError as error:
                self._own.child = None
                raise StageError(
                    "a process that makes images anew could not be started",
                    cause=str(error),
                    act="look whether memory or processes ran out, and run the same command again, which goes on",
                ) from None
            if not good:
                self._room.leave(len(body))
                return Unrendered(body.decode("utf-8", "replace"))
            return Rendered(body, name.rstrip(b"\0").decode(), width, height)
        return Unrendered(f"its decoder or encoder crashed twice, or took longer than {seconds:g} s of processor time")

    def _child(self) -> AskedProcess:
        """This thread's child.

        Raises:
            DiedError: There are to be no more.
        """
        child: AskedProcess | None = getattr(self._own, "child", None)
        if child is None:
            with self._lock:
                if self._closed:
                    raise DiedError
                child = self._own.child = AskedProcess("nemo_curator.runs.rendering.worker", ANSWER, self._given)
                self._children.append(child)
        return child
