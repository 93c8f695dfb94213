"""What happens in seats while they are at work; an actor beside the driver keeps it until that asks.

Results come by Ray Data, a partition at a time. What is told before a partition is done comes by here: records that
were read, for whoever watches, and images that were given up, which must be written down at once. Ray Data runs what a
dead actor had under way again, from the beginning, so nothing of this may be part of a result.

`News` lives in an actor (one thread), and seats and driver reach it by `RemoteNews`. The `Ledger` belongs to the
driver, where whoever has the turn (see `driver`) uses it.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nemo_curator.backends.local.events import ClusterSilent, ProcessEvent, Pulse
from nemo_curator.backends.ray_data.ray_module import ray_module

_SILENT = 30.0  # seconds after which a seat that gives no sign of life is left out
_ANSWER = 10.0  # seconds that the actor may take to answer: nothing waits for ever for a count
_SILENCE = 0.95 * _ANSWER  # that is told of: one question without an answer, be its clock a little quick


@dataclass(frozen=True, slots=True)
class Read:
    """So many records of a partition have been read in one of its tries."""

    index: int
    attempt: str
    records: int


@dataclass(frozen=True, slots=True)
class Condemned:
    """An image of a partition is given up; "" stands for all of them."""

    index: int
    image_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something happened to the processes of a seat."""

    seat: str
    event: ProcessEvent


Event = Read | Condemned | Happened


class Desk(Protocol):
    """Where seats tell what happens; `RemoteNews` is one."""

    def tell(self, events: Sequence[Event]) -> None:
        """A seat tells something."""

    def take(self) -> list[Event]:
        """What was told since the last call."""

    def begin(self, index: int) -> tuple[int, dict[str, str]]:
        """A seat begins with a partition."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the driver has heard.

    Attributes:
        news: Name of the `News`; another one, after the actor was started again, begins anew.
        told: How much of what it was told.
    """

    news: str = ""
    told: int = 0


class News:
    """Keeps what seats tell until the driver has heard it, and which images were given up until the end."""

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex
        self._events: list[Event] = []
        self._heard = 0
        self._condemned: dict[int, dict[str, str]] = {}
        self._tries: dict[int, int] = {}

    def tell(self, events: Sequence[Event]) -> None:
        """A seat tells something."""
        self._events += events
        for event in events:
            if isinstance(event, Condemned) and event.image_id:
                self._condemned.setdefault(event.index, {})[event.image_id] = event.why

    def since(self, mark: Mark) -> tuple[Mark, list[Event]]:
        """What was told after a mark, and the next mark; what came before is heard, and forgotten.

        An answer that never arrives costs nothing: whoever asks again with the same mark hears it again.
        """
        heard = mark.told if mark.news == self._name else self._heard
        self._events = self._events[heard - self._heard :]
        self._heard = heard
        return Mark(self._name, heard + len(self._events)), self._events

    def begin(self, index: int) -> tuple[int, dict[str, str]]:
        """A seat begins with a partition.

        Returns:
            (How many began with it before, image id to why: what they found out, which died with their host).
        """
        before = self._tries.get(index, 0)
        self._tries[index] = before + 1
        return before, self._condemned.get(index, {})


class RemoteNews:
    """News that an actor keeps, for those elsewhere.

    Where the actor is gone with its host, nothing is told and nothing known; the run is about to end then.

    Args:
        actor: The actor's handle.
        answer: Waits for what a call of the actor gives; None where nothing came.
        patience: Seconds without an answer after which that is told.
    """

    def __init__(self, actor: Any, answer: Callable[[Any], Any] | None = None, patience: float = _SILENCE) -> None:
        self._actor = actor
        self._answer = answer or _answer
        self._patience = patience
        self._mark = Mark()
        self._asked: float | None = None  # when the first question was that has no answer yet
        self._said = False

    def tell(self, events: Sequence[Event]) -> None:
        """Tell something, and wait until it is heard."""
        self._answer(self._actor.tell.remote(events))

    def take(self) -> list[Event]:
        """What was told since the last call; once in each silence, that the cluster does not answer."""
        asked = time.monotonic()
        answer = self._answer(self._actor.since.remote(self._mark))
        if answer is None:
            self._asked = asked if self._asked is None else self._asked
            waited = time.monotonic() - self._asked
            if self._said or waited < self._patience:
                return []
            self._said = True
            return [Happened("", ClusterSilent(round(waited, 1)))]
        self._asked, self._said = None, False
        self._mark, events = answer
        return list(events)

    def begin(self, index: int) -> tuple[int, dict[str, str]]:
        """As `News.begin`."""
        return self._answer(self._actor.begin.remote(index)) or (0, {})


def _answer(reference: Any) -> Any:
    ray = ray_module()
    try:
        return ray.get(reference, timeout=_ANSWER)
    except ray.exceptions.RayError:
        return None


class Ledger:
    """Adds up what seats tell of partitions that may be tried several times, so that nothing is told twice.

    Args:
        progress: Called with (partition index, number of further records read).
        on_condemned: Called with (partition index, image id, why).
        on_event: Called with what happens to processes; a sign of life is that of all seats together.
    """

    def __init__(
        self,
        progress: Callable[[int, int], None],
        on_condemned: Callable[[int, str, str], None],
        on_event: Callable[[ProcessEvent], None] = lambda _: None,
    ) -> None:
        self._on_event = on_event
        self._pulses: dict[str, tuple[float, Pulse]] = {}
        self._progress = progress
        self._on_condemned = on_condemned
        self._read: dict[tuple[int, str], int] = {}
        self._reported: dict[int, int] = {}
        self._given_up: set[tuple[int, str]] = set()

    def enter(self, events: Sequence[Event]) -> None:
        """Something was told."""
        for event in events:
            if isinstance(event, Read):
                self._count(event)
            elif isinstance(event, Happened):
                self._on_event(self._together(event.seat, event.event))
            elif (event.index, event.image_id) not in self._given_up:
                self._given_up.add((event.index, event.image_id))
                self._on_condemned(event.index, event.image_id, event.why)

    def _together(self, seat: str, event: ProcessEvent) -> ProcessEvent:
        """What one seat tells; of signs of life, the sum of those that all seats gave lately."""
        if not isinstance(event, Pulse):
            return event
        now = time.monotonic()
        self._pulses[seat] = now, event
        self._pulses = {name: one for name, one in self._pulses.items() if now - one[0] < _SILENT}
        pulses = [one for _, one in self._pulses.values()]
        return Pulse(sum(one.workers for one in pulses), sum(one.memory for one in pulses))

    def _count(self, event: Read) -> None:
        key = event.index, event.attempt
        self._read[key] = self._read.get(key, 0) + event.records
        new = self._read[key] - self._reported.get(event.index, 0)
        if new > 0:
            self._reported[event.index] = self._read[key]
            self._progress(event.index, new)

    def forget(self, index: int) -> None:
        """A partition is done."""
        for key in [one for one in self._read if one[0] == index]:
            del self._read[key]
