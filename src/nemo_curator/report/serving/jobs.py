"""Decisions that the page asks for, one at a time: asked by any thread, made by the main one.

Made there, Ctrl-C stops them as it stops `imagecurator decide`, and libraries may set up what they set up in a
program's main thread alone. A lock guards what is known of them.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from nemo_curator.errors import CuratorError
from nemo_curator.report.serving.refusal import RefusedError

Kind = Literal["try", "decide", "renew"]
"""Count what rules would do; decide by them; read what somebody else decided."""

_REMEMBERED = 20
_BROKEN = "it was broken off"


@dataclass(slots=True)
class Job:
    """Something to do.

    Attributes:
        number: Its number.
        kind: What.
        rules: By which rules: name to expression, in order.
        state: `waiting`, `running`, `done` or `failed`.
        answer: What came of it.
        error: Why nothing did, in a sentence.
    """

    number: int
    kind: Kind
    rules: Mapping[str, str] = field(default_factory=dict)
    state: Literal["waiting", "running", "done", "failed"] = "waiting"
    answer: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """What the page is told."""
        return {"job": self.number, "state": self.state, "answer": self.answer, "error": self.error}


class Jobs:
    """What is to do, and what was done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._next = 1
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def ask(self, kind: Kind, rules: Mapping[str, str] | None = None) -> Job:
        """Ask for something.

        Raises:
            RefusedError: Something is being done.
        """
        with self._lock:
            if any(job.state in {"waiting", "running"} for job in self._jobs.values()):
                raise RefusedError(HTTPStatus.CONFLICT, "a decision is being made already: wait until it is through")
            job = Job(self._next, kind, dict(rules or {}))
            self._next += 1
            self._jobs[job.number] = job
            while len(self._jobs) > _REMEMBERED:
                self._jobs.popitem(last=False)
        self._waiting.put(job)
        return job

    def told(self, number: int) -> dict[str, Any]:
        """How something goes.

        Raises:
            RefusedError: Nobody knows of it.
        """
        with self._lock:
            job = self._jobs.get(number)
            if job is None:
                raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such decision")
            return job.told

    def end(self) -> None:
        """Let `work` return once it is through with what was asked for."""
        self._waiting.put(None)

    def work(self, do: Callable[[Job], dict[str, Any]]) -> None:
        """Do what is asked for, until `end` or Ctrl-C while nothing is being done.

        Args:
            do: Does one thing and gives the answer; what a user can mend it raises as an error of ours.

        Raises:
            KeyboardInterrupt: Ctrl-C while something was being done.
        """
        while True:
            try:
                job = self._waiting.get()
            except KeyboardInterrupt:
                return
            if job is None:
                return
            self._set(job, "running")
            try:
                answer = do(job)
            except (CuratorError, OSError, ValueError) as error:
                self._set(job, "failed", error=_sentence(error))
            except Exception:  # noqa: BLE001  a fault of ours costs one answer, and is told where the command was started
                traceback.print_exc()
                self._set(job, "failed", error=_BROKEN)
            except BaseException:
                self._set(job, "failed", error=_BROKEN)
                raise
            else:
                self._set(job, "done", answer=answer)

    def _set(self, job: Job, state: Literal["running", "done", "failed"], **changes: Any) -> None:
        with self._lock:
            for name, value in changes.items():
                setattr(job, name, value)
            job.state = state


def _sentence(error: Exception) -> str:
    notes = getattr(error, "__notes__", [])
    return " ".join([*str(error).split("\n"), *notes])
