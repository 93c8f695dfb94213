"""The images that cost workers, over all tries of a scoring: noted when they are given up, not tried again."""

from __future__ import annotations

from collections.abc import Sequence

from nemo_curator.errors import InputError
from nemo_curator.runs.condemned import condemned_in_part, forget_condemned, note_condemned, noted_condemned
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.partitioning import Partition


class GivenUp:
    """What was given up in some partitions.

    Args:
        run: The run directory.
        partitions: The partitions that are scored now, in the executor's order.
        records: Fingerprint of how the input is read and of the limits.
        again: Whether their parts are there, and columns are added to them: what cost workers then is not tried again.
    """

    def __init__(self, run: RunDirectory, partitions: Sequence[Partition], records: str, *, again: bool) -> None:
        self._run = run
        self._ids = [one.id for one in partitions]
        self._records = records
        self._images = [self._known(one.id, again=again) for one in partitions]

    def images(self, index: int) -> dict[str, str]:
        """Image id to why, of one partition."""
        return self._images[index]

    def add(self, index: int, image_id: str, why: str) -> None:
        """One more is given up, and a run that is killed from now on knows of it.

        Raises:
            StorageError: The note cannot be written.
        """
        self._images[index] = {**self._images[index], image_id: why}
        note_condemned(self._run, self._ids[index], self._images[index], self._records)

    def written(self, index: int) -> None:
        """The part is written: it holds the verdicts.

        Raises:
            StorageError: The note cannot be removed.
        """
        forget_condemned(self._run, self._ids[index])

    def _known(self, partition_id: str, *, again: bool) -> dict[str, str]:
        images = noted_condemned(self._run, partition_id, self._records)
        if not again:
            return images
        try:
            return condemned_in_part(self._run, partition_id) | images
        except InputError:  # damaged where nobody had looked yet: it will be scored as a whole
            return images
