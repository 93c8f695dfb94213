"""How a budget of memory is shared out between the processes of a run: arithmetic, and nothing else.

    command │ inference process │ worker: itself, a batch, its own share │ worker … │ what workers have turns at

The figures of `MemoryNeeds` are upper bounds, so that their sum is one. A picture that takes more than its worker's own
share waits for a turn at the shared part (see `codecs.memory_share`); that part always has room for the largest
picture that the limits of a recipe admit, so that no picture is refused for a budget.
"""

from __future__ import annotations

from dataclasses import dataclass

from nemo_curator.errors import MemoryBudgetError
from nemo_curator.stages.worker import BATCH_BYTES

LEAST_BATCH, MOST_BATCH = 1 << 25, BATCH_BYTES
"""Bytes of the images that a worker holds at once: those of a batch, which otherwise ends at 100 images."""

LEAST_OWN, MOST_OWN = 96_000_000, 320_000_000
"""Bytes that a worker may take for one image without asking: a photo of 4, or of 26 million pixels."""

MOST_AHEAD = 1 << 28
"""Bytes of the files to come that a worker has the system read ahead: seconds of work, and seconds of most disks."""

DECIDING = 450_000_000
"""Bytes of the command while it decides, without the tables of its database."""

LEAST_DATABASE, MOST_DATABASE = 160_000_000, 640_000_000
"""Bytes of these tables; what is beyond goes to temporary files."""

_LEAST = DECIDING + LEAST_DATABASE


@dataclass(frozen=True, slots=True)
class MemoryNeeds:
    """What the processes of a run take at most, in bytes.

    Attributes:
        command: The command's own process, while others compute.
        worker: One worker without any image: libraries, its models, what they compute with.
        inference: The process that holds large models; 0 where there is none.
        image: One image while it is read: the files of its sample, and decoding.
    """

    command: int
    worker: int
    inference: int
    image: int


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Who may take what, in bytes.

    Attributes:
        budget: What all processes may take together.
        needs: What is taken whatever the budget.
        workers: Decode workers.
        batch: Of the images that one worker holds at once.
        own: That one worker takes for an image without asking.
        shared: That workers have turns at, for images which take more than that.
    """

    budget: int
    needs: MemoryNeeds
    workers: int
    batch: int
    own: int
    shared: int

    @property
    def each(self) -> int:
        """One worker at most, without a turn at the shared part."""
        return self.needs.worker + self.batch + self.own

    @property
    def most(self) -> int:
        """All processes together at most; never more than the budget."""
        return self.needs.command + self.needs.inference + self.workers * self.each + self.shared

    @property
    def ahead(self) -> int:
        """Of the files to come that each worker has the system read ahead: a sixteenth of the budget in all.

        No process takes them. They are in the system's cache, which gives way where a process takes memory.
        """
        return min(MOST_AHEAD, self.budget // (16 * max(1, self.workers)))

    @property
    def is_shared(self) -> bool:
        """Whether there are images for which a worker has to wait for a turn."""
        return self.own < self.needs.image


def least_budget(needs: MemoryNeeds) -> int:
    """The smallest budget that a run can keep within, bytes: one worker, with room for the largest image."""
    scoring = needs.command + needs.inference + needs.worker + LEAST_BATCH + max(_least_own(needs), needs.image)
    return max(scoring, _LEAST)


def plan_memory(budget: int, needs: MemoryNeeds, workers: int) -> MemoryPlan:
    """Share out a budget: first as many workers as there is room for, then what makes each of them wait less.

    Args:
        budget: Bytes for all processes together.
        needs: What they take.
        workers: Decode workers that are wanted; fewer are planned where there is no room for so many.

    Raises:
        MemoryBudgetError: There is no room for one.
    """
    least = least_budget(needs)
    if budget < least:
        raise _too_small(budget, needs, least)
    free = budget - needs.command - needs.inference
    own = _least_own(needs)
    beyond = max(0, needs.image - own)
    each = needs.worker + LEAST_BATCH + own
    count = min(max(1, workers), (free - beyond) // each)
    if free >= count * (needs.worker + MOST_BATCH + needs.image):  # whatever they meet, nobody waits
        return MemoryPlan(budget, needs, count, MOST_BATCH, needs.image, 0)
    left = free - beyond - count * each
    if count == 1:  # there is nobody to wait for
        return MemoryPlan(budget, needs, 1, min(MOST_BATCH, LEAST_BATCH + left), max(own, needs.image), 0)
    batch = min(MOST_BATCH, LEAST_BATCH + left // (4 * count))
    own = min(needs.image, MOST_OWN, own + left // (2 * count))
    shared = min(free - count * (needs.worker + batch + own), count * (needs.image - own))
    return MemoryPlan(budget, needs, count, batch, own, shared)


def database_bytes(budget: int) -> int:
    """Bytes that the database of a decision may hold in memory.

    Args:
        budget: What the command may take, bytes.
    """
    return min(MOST_DATABASE, max(LEAST_DATABASE, budget - DECIDING))


def _least_own(needs: MemoryNeeds) -> int:
    return min(LEAST_OWN, needs.image)


def _too_small(budget: int, needs: MemoryNeeds, least: int) -> MemoryBudgetError:
    parts = [(needs.command, "the command"), (needs.inference, "the models' own process"), (needs.worker, "one worker")]
    parts += [(LEAST_BATCH, "its images"), (needs.image, "the largest image that `limits` admits")]
    summed = ", ".join(f"{_amount(size)} for {what}" for size, what in parts if size)
    smaller = ", or admit smaller images: `limits.memory` and `limits.bytes`" if needs.image > LEAST_OWN else ""
    return MemoryBudgetError(
        f"{_amount(budget)} of memory are too little for this run, which needs {_amount(least, up=True)}",
        cause=summed,
        act=f"give it more (--memory {-(-least // 10**7) / 100:g}GB){smaller}",
    )


def _amount(size: int, *, up: bool = False) -> str:
    """Bytes in MB; a least amount is rounded up, so that what is told is enough."""
    return f"{-(-size // 10**6) if up else round(size / 1e6):,} MB"
