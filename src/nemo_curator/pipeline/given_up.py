"""The images that cost workers, over all tries of a scoring: noted when they are given up, not tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nemo_curator.errors import InputError
from nemo_curator.runs.condemned import (
    condemned_in_part,
    forget_condemned,
    note_condemned,
    noted_condemned,
    noted_partitions,
)
from nemo_curator.runs.fingerprints import fingerprint
from nemo_curator.runs.layout import RunDirectory
from nemo_curator.shards.partitioning import Partition


class GivenUp:
    """What was given up in some partitions.

    Args:
        run: The run directory.
        partitions: The partitions that are scored now, in the executor's order.
        computed: Column to fingerprint of how it is computed, the records among them.
        added: Whether columns are added to parts that are there, and stay: what cost workers then is not tried again.
    """

    def __init__(
        self, run: RunDirectory, partitions: Sequence[Partition], computed: Mapping[str, str], *, added: bool
    ) -> None:
        self._run = run
        self._ids = [one.id for one in partitions]
        self._marks = [_mark(one, computed) for one in partitions]
        self._noted = noted_partitions(run)
        pairs = zip(self._ids, self._marks, strict=True)
        self._images = [self._known(partition_id, mark, added=added) for partition_id, mark in pairs]

    def images(self, index: int) -> dict[str, str]:
        """Image id to why, of one partition."""
        return self._images[index]

    def add(self, index: int, image_id: str, why: str) -> None:
        """One more is given up, and a run that is killed from now on knows of it.

        That of all images at once, where none could be blamed, is not noted: it is about those that were not through
        yet, which the note could not say.

        Raises:
            StorageError: The note cannot be written.
        """
        if image_id:
            self._images[index] = {**self._images[index], image_id: why}
            self._noted.add(self._ids[index])
            note_condemned(self._run, self._ids[index], self._images[index], self._marks[index])

    def written(self, index: int) -> None:
        """The part is written: it holds the verdicts.

        Raises:
            StorageError: The note cannot be removed.
        """
        if self._ids[index] in self._noted:
            forget_condemned(self._run, self._ids[index])

    def _known(self, partition_id: str, mark: str, *, added: bool) -> dict[str, str]:
        noted = noted_condemned(self._run, partition_id, mark) if partition_id in self._noted else {}
        if not added:
            return noted
        try:
            return condemned_in_part(self._run, partition_id) | noted
        except InputError:  # damaged where nobody had looked yet: it will be scored as a whole
            return noted


def _mark(partition: Partition, computed: Mapping[str, str]) -> str:
    """What a verdict is bound to: the files as they are, and how everything is read, decoded and computed."""
    files = [[one.path, one.size, one.version, list(one.sidecars)] for one in partition.entries]
    return fingerprint({"computed": dict(computed), "files": files})
