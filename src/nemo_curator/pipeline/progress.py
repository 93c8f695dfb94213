"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar


class Watcher:
    """Told of a run's progress; this one looks away. A display overrides what it shows.

    Attributes:
        shows_verdicts: Whether `scored` is told verdicts, which cost some hundredths of a second a partition.
    """

    shows_verdicts: ClassVar[bool] = False

    def planned(self, partitions: int, size: int, done: int) -> None:
        """Scoring begins: so many partitions of so many bytes, `done` of which are there from an earlier start."""

    def trying(self, models: Sequence[str]) -> None:
        """Models are tried in lower precisions on a sample of the input, which can take minutes."""

    def noted(self, notes: Sequence[str]) -> None:
        """What a user should know about the input and the stored scores, a sentence each."""

    def read(self, records: int) -> None:
        """So many more records have been read."""

    def scored(self, verdicts: Mapping[str, int], size: int) -> None:
        """A partition is done: its size in bytes, and, if shown, its verdicts by the rules that need no other one."""

    def deciding(self) -> None:
        """All partitions are done; verdicts are being computed."""

    def protecting(self, name: str) -> None:
        """The images of a protect set are about to be read and scored."""

    def searching(self, kind: str, images: int) -> None:
        """A search for pairs of near images begins: of which kind, and among how many different ones."""

    def searched(self, images: int) -> None:
        """So many more of them have been looked for."""

    def exporting(self, samples: int) -> None:
        """Export of so many samples begins."""

    def exported(self, samples: int) -> None:
        """So many more samples have been written."""

    def close(self) -> None:
        """The run ended, one way or another."""
