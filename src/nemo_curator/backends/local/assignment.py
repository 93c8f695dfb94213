"""The supervisor's own note of a partition: what became of it so far, whoever worked on it.

Owned by the supervisor's thread alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any, cast

from nemo_curator.backends.local.messages import Through, Work
from nemo_curator.storage.refusal import storage_error
from nemo_curator.tasks import FileGroupTask, Task

_FIRST = 64  # files of a partition that another worker is told of; once it is read, its own worker says what comes next
_IN_MEMORY = 1 << 24  # bytes of what a partition's stages have gathered; more of it goes to a file without a name


class Journal:
    """What is through of a partition, so that no later worker does it again.

    Attributes:
        records: Input records of the batches that are through.
        results: Of each batch, a cloudpickle of (tasks, records that none carries).
    """

    def __init__(self) -> None:
        self.records = 0
        self.results: list[bytes] = []
        self._lengths: list[int] = []
        self._saved: IO[bytes] | None = None  # most partitions of a long list are not begun yet

    def add(self, through: Through) -> None:
        """One more batch is through.

        Raises:
            StorageError: There is no room to keep it.
        """
        self.records += through.records
        self.results.append(through.result)
        self._lengths.append(len(through.saved))
        try:
            if self._saved is None:
                self._saved = cast("IO[bytes]", tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 (see `close`)
            self._saved.write(through.saved)
        except OSError as error:
            raise storage_error(f"{tempfile.gettempdir()} (the journal of a partition)", error) from error

    def saved(self) -> list[bytes]:
        """What the stages that gather gave at the end of each batch, in order."""
        if self._saved is None:
            return []
        self._saved.seek(0)
        return [self._saved.read(length) for length in self._lengths]

    def close(self) -> None:
        """The partition is done, or nobody wants it: forget what came of it."""
        self.results = []
        if self._saved is not None:
            self._saved.close()


@dataclass(slots=True)
class Assignment:
    """A partition.

    Attributes:
        index: Its index among the initial tasks.
        task: The task.
        deaths: The image, or "", that each worker it cost was working on.
        read: Records read so far in the present try, and in the batches that were through before it.
        reported: Records that the caller was told of; a later try starts over, the caller's count does not.
        journal: What is through.
    """

    index: int
    task: Task[Any]
    deaths: list[str] = field(default_factory=list)
    read: int = 0
    reported: int = 0
    journal: Journal = field(default_factory=Journal)

    def through(self, message: Through) -> None:
        """One more batch is through: whatever a worker died of unseen, it was before the next one."""
        self.journal.add(message)
        self.deaths = [suspect for suspect in self.deaths if suspect]

    @property
    def careful(self) -> bool:
        """Whether a worker died of it and nobody knows on which image."""
        return "" in self.deaths

    @property
    def first_files(self) -> list[str]:
        """What is read of it first, where it is a partition of files."""
        return self.task.data[:_FIRST] if isinstance(self.task, FileGroupTask) else []

    def work(self, task: bytes, following: Sequence[str] = ()) -> Work:
        """What a worker is told of it: to go on where the last one was.

        Args:
            task: A cloudpickle of the task.
            following: The first files of the partition after it.
        """
        journal = self.journal
        return Work(
            self.index,
            task,
            self.careful,
            journal.records,
            len(journal.results),
            journal.saved(),
            bool(self.deaths),
            list(following),
        )
